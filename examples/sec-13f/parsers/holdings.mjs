// One row an entry of the information table, from XML (since 2013) or from the text table before it.
import { readSubmission, unescaped, visitXml, wholeNumber, xmlOf } from './submission.mjs';

/** @type {import('plumbline').Parser} */
export default function* holdings({ bytes }) {
  let line = 0;
  for (const document of readSubmission(bytes()).documents) {
    const xml = xmlOf(document);
    const entries = xml === undefined ? textEntries(document.text) : xmlEntries(xml);
    for (const entry of entries) yield { line: ++line, ...entry };
  }
}

const FIELDS = {
  nameOfIssuer: 'issuer',
  titleOfClass: 'class',
  cusip: 'cusip',
  figi: 'figi',
  value: 'value',
  sshPrnamt: 'shares',
  sshPrnamtType: 'share_type',
  putCall: 'put_call',
  investmentDiscretion: 'discretion',
  otherManager: 'other_managers',
  Sole: 'voting_sole',
  Shared: 'voting_shared',
  None: 'voting_none',
};
const NUMBERS = new Set(['value', 'shares', 'voting_sole', 'voting_shared', 'voting_none']);

function xmlEntries(xml) {
  const entries = [];
  let entry = {};
  visitXml(
    xml,
    (path, name, text) => {
      if (Object.hasOwn(FIELDS, name) && path.includes('infoTable/')) entry[FIELDS[name]] = text;
    },
    (name) => {
      if (name !== 'infoTable') return;
      entries.push(typed(entry));
      entry = {};
    },
  );
  return entries;
}

const TEXT_FIELDS = ['issuer', 'class', 'cusip', 'value', 'shares', 'share_type', 'put_call', 'discretion', 'other_managers', 'voting_sole', 'voting_shared', 'voting_none']; // prettier-ignore

/** The line `<S> <C> <C> …` above the entries says where each of the twelve columns begins. */
function textEntries(text) {
  const lines = text.split('\n');
  const marks = lines.findIndex((line) => /^\s*<S>(\s*<C>){11}\s*$/.test(line));
  if (marks < 0) return [];
  const starts = [...lines[marks].matchAll(/<[SC]>/g)].map(({ index }) => index);
  const entries = [];
  for (const line of lines.slice(marks + 1)) {
    if (line.startsWith('</TABLE>')) break;
    const fields = starts.map((start, column) => line.slice(column === 0 ? 0 : start, starts[column + 1]).trim());
    const entry = Object.fromEntries(TEXT_FIELDS.map((name, column) => [name, fields[column] || undefined]));
    // Totals and remarks stand in the table too; an entry has a CUSIP.
    if (/^[0-9A-Za-z*@#]{8,9}$/.test(entry.cusip ?? '') && wholeNumber(entry.value) !== undefined)
      entries.push(typed(entry));
  }
  return entries;
}

function typed(entry) {
  const values = Object.entries(entry).map(([name, text]) => {
    if (text === undefined || !NUMBERS.has(name)) return [name, text === undefined ? text : unescaped(text)];
    const number = wholeNumber(text);
    if (number === undefined) throw new Error(`${name} is ${JSON.stringify(text)}, expected a whole number`);
    return [name, number];
  });
  return Object.fromEntries(values);
}

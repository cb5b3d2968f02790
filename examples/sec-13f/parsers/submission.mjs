// What the parsers share: a submission as EDGAR hands it out, whole (.txt), as disseminated (.nc), or one XML document of it.
import { SaxesParser } from './saxes.mjs';
import { assertValid } from './schemas.mjs';

const MAX_DEPTH = 32;

/**
 * @param {Buffer} bytes
 * @returns {{ header: string, documents: { type: string, text: string, line: number }[] }} `line` is where the text begins, from 1
 */
export function readSubmission(bytes) {
  const text = bytes.toString('utf8').replaceAll(/\r\n?/g, '\n');
  const documents = [...text.matchAll(/<DOCUMENT>([^]*?)<\/DOCUMENT>/g)].map(({ 1: document, index }) => {
    const found = /<TEXT>([^]*?)(?:<\/TEXT>|$)/.exec(document);
    const start = index + '<DOCUMENT><TEXT>'.length + (found?.index ?? 0);
    return {
      type: /<TYPE>([^<\n]*)/.exec(document)?.[1].trim() ?? '',
      text: found?.[1] ?? '',
      line: lineAt(text, start),
    };
  });
  if (documents.length === 0) return { header: '', documents: [{ type: 'INFORMATION TABLE', text, line: 1 }] };
  return { header: text.slice(0, text.indexOf('<DOCUMENT>')), documents };
}

/** The XML of a document, valid by the SEC's schema; undefined in the era of text. */
export function xmlOf({ text, line }) {
  const inner = /<XML>([^]*?)<\/XML>/.exec(text)?.[1] ?? text;
  const trimmed = inner.replace(/^\ufeff/, '').trim(); // Some begin with a blank line, which XML does not allow.
  if (!trimmed.startsWith('<?xml') && !/^<[\w:]+[^>]*xmlns/.test(trimmed)) return undefined;
  // A document type, and what is broken or deep, is refused before another reader sees it.
  visitXml(trimmed, () => {});
  assertValid(trimmed, line - 1 + lineAt(text, text.indexOf(trimmed)));
  return trimmed;
}

function lineAt(text, index) {
  return text.slice(0, index).split('\n').length;
}

/**
 * Calls `visit(path, text)` for each element that holds text, by local names: filers use `ns1:`, another prefix or none. A document type is
 * refused, as it can name entities and files; so is a depth that no form has.
 */
export function visitXml(xml, visit, leave = () => {}) {
  const path = [];
  let text = '';
  const parser = new SaxesParser({ xmlns: true });
  parser.on('error', (error) => {
    throw new Error(`the XML is broken: ${error.message}`);
  });
  parser.on('doctype', () => {
    throw new Error('the XML has a document type, which is refused');
  });
  parser.on('opentag', ({ local }) => {
    path.push(local);
    if (path.length > MAX_DEPTH) throw new Error(`the XML is deeper than ${MAX_DEPTH} elements`);
    text = '';
  });
  parser.on('text', (part) => (text += part));
  parser.on('cdata', (part) => (text += part));
  parser.on('closetag', ({ local }) => {
    if (text.trim() !== '') visit(path.join('/'), local, text.trim());
    text = '';
    leave(local);
    path.pop();
  });
  parser.write(xml).close();
}

/** Whole numbers as filers write them: `1,981,962`, `$ 12`; undefined for none. */
export function wholeNumber(text) {
  const digits = text?.replaceAll(/[\s,$]/g, '');
  return digits === undefined || !/^-?\d+(\.0*)?$/.test(digits) ? undefined : BigInt(digits.replace(/\.0*$/, ''));
}

/** `&amp;AMP;` is `&AMP;` to an XML reader and `&` to a person. */
export function unescaped(text) {
  return text.replaceAll(/&(amp|lt|gt|quot|apos);/gi, (_, name) => ENTITIES[name.toLowerCase()]);
}

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

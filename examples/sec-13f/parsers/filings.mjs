// One row a submission: who filed what for which period, and what its summary page says of the table.
import { readSubmission, visitXml, wholeNumber, xmlOf } from './submission.mjs';

/** @type {import('plumbline').Parser} */
export default function* filing({ bytes, columns }) {
  const { header, documents } = readSubmission(bytes());
  const fields = {
    cik: headerField(header, 'CENTRAL INDEX KEY', 'CIK'),
    manager: headerField(header, 'COMPANY CONFORMED NAME', 'CONFORMED-NAME'),
    period: day(headerField(header, 'CONFORMED PERIOD OF REPORT', 'PERIOD')),
    amendment_type: undefined,
    entries_stated: undefined,
    value_stated: undefined,
  };
  const cover = documents.find(({ type }) => type.startsWith('13F'));
  const xml = cover === undefined ? undefined : xmlOf(cover);
  if (xml !== undefined)
    visitXml(xml, (_path, name, text) => {
      if (name === 'amendmentType') fields.amendment_type = text;
      if (name === 'tableEntryTotal') fields.entries_stated = wholeNumber(text);
      if (name === 'tableValueTotal') fields.value_stated = wholeNumber(text);
    });
  else if (cover !== undefined) {
    fields.entries_stated = wholeNumber(/table entry total:\s*([\d,]+)/i.exec(cover.text)?.[1]);
    fields.value_stated = wholeNumber(/table value total:\s*\$?\s*([\d,]+)/i.exec(cover.text)?.[1]);
  }
  const stated = headerField(header, 'ACCESSION NUMBER', 'ACCESSION-NUMBER');
  if (stated !== undefined && stated !== columns.accession)
    throw new Error(`its header says accession number ${stated}, the index ${columns.accession}`);
  yield fields;
}

/** `NAME: value` of a whole submission, or `<NAME>value` of a disseminated one. */
function headerField(header, name, tag) {
  const value = new RegExp(`^\\s*${name}:\\s*(.+)$`, 'm').exec(header) ?? new RegExp(`<${tag}>([^<\\n]+)`).exec(header);
  return value?.[1].trim();
}

function day(text) {
  return text?.replace(/^(\d{4})(\d\d)(\d\d)$/, '$1-$2-$3');
}

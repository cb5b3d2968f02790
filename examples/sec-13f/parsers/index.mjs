// EDGAR's index files: `master.idx` with bars between its fields, `form.idx` and `company.idx` with fixed widths that differ
// from kind to kind, a header that may be broken over two lines, dates with and without hyphens.

/** @type {import('plumbline').Parser} */
export default function* index({ bytes }) {
  const lines = bytes().toString('latin1').split(/\r?\n/);
  const rule = lines.findIndex((line) => /^-{40,}\s*$/.test(line));
  if (rule < 1) throw new Error('the line of hyphens under the header is missing');
  const start = lines.slice(0, rule).findLastIndex((line) => line.trim() === '') + 1;
  const header = lines[start];
  const read = header.includes('|') ? withBars : fixedWidth(header);
  for (const [offset, line] of lines.slice(rule + 1).entries()) {
    if (line.trim() === '') continue;
    const row = read(line);
    if (row === undefined) throw new Error(`line ${rule + 2 + offset} is none of an index: ${line.slice(0, 80)}`);
    yield { ...row, date_filed: row.date_filed.replace(/^(\d{4})-?(\d\d)-?(\d\d)$/, '$1-$2-$3') };
  }
}

function withBars(line) {
  const [cik, company, form_type, date_filed, file] = line.split('|').map((field) => field.trim());
  return file === undefined ? undefined : { form_type, company, cik: BigInt(cik), date_filed, file };
}

/** The last three fields hold no blanks; where the first two meet, the header says. */
function fixedWidth(header) {
  const form = header.indexOf('Form Type');
  const company = header.indexOf('Company Name');
  if (form < 0 || company < 0) throw new Error(`the header names other fields: ${header.slice(0, 80)}`);
  const middle = Math.max(form, company);
  return (line) => {
    const [, names, cik, date_filed, file] = /^(.+?)\s+(\d+)\s+(\d{4}-?\d\d-?\d\d)\s+(\S+)\s*$/.exec(line) ?? [];
    if (file === undefined) return undefined;
    const fields = [names.slice(0, middle).trim(), names.slice(middle).trim()];
    const [form_type, name] = form < company ? fields : fields.reverse();
    return { form_type, company: name, cik: BigInt(cik), date_filed, file };
  };
}

import type { CsvOptions } from '../../model/project.js';
import { fieldsOf, QUOTE, recordAt, type CsvDialect } from './csv-record.js';

const DELIMITERS = [',', '\t', ';', '|'].map((delimiter) => delimiter.charCodeAt(0));
const SAMPLE_RECORDS = 200;

/**
 * The dialect that gives most of the first records as many fields as the header has; more fields win a tie, then the
 * order comma, tab, semicolon, bar. A file of one column reads with a comma. What `options` say is not guessed.
 *
 * @param head the first bytes of the file, without a byte order mark
 * @param whole whether `head` is the whole file
 */
export function sniffDialect(head: Buffer, whole: boolean, options: CsvOptions = {}): CsvDialect {
  const quote = options.quote === undefined ? QUOTE : byteOf(options.quote);
  const escape = options.escape === undefined || options.escape === options.quote ? undefined : byteOf(options.escape);
  const marks = { quote, ...(escape !== undefined && escape !== quote && { escape }) };
  const lineEnd = head.includes(10) || !head.includes(13) ? 10 : 13;
  let best: { dialect: CsvDialect; share: number; width: number } | undefined;
  // Where commas are in numbers, they are between values only if the project says so.
  const usual = options.decimal === ',' || options.thousands === ',' ? DELIMITERS.slice(1) : DELIMITERS;
  const delimiters = options.delimiter === undefined ? usual : [byteOf(options.delimiter)!];
  for (const delimiter of delimiters) {
    const dialect: CsvDialect = { delimiter, ...marks, lineEnd };
    const widths = sampleWidths(head, dialect, whole, byteOf(options.comment));
    const width = widths[0] ?? 1;
    if (width < 2) continue;
    const share = widths.filter((count) => count === width).length / widths.length;
    if (best === undefined || share > best.share || (share === best.share && width > best.width))
      best = { dialect, share, width };
  }
  return best?.dialect ?? { delimiter: delimiters[0]!, ...marks, lineEnd };
}

/** The byte of an ASCII character; undefined for none. */
export function byteOf(character = ''): number | undefined {
  return character === '' ? undefined : character.charCodeAt(0);
}

function sampleWidths(head: Buffer, dialect: CsvDialect, whole: boolean, comment: number | undefined): number[] {
  const widths: number[] = [];
  for (let start = 0; start < head.length && widths.length < SAMPLE_RECORDS;) {
    if (head[start] === comment) {
      const end = head.indexOf(dialect.lineEnd, start);
      if (end === -1) break;
      start = end + 1;
      continue;
    }
    const shape = recordAt(head, start, dialect, whole);
    if (shape === undefined) break;
    const blank = shape.end === start || (shape.end === start + 1 && head[start] === 13);
    if (!blank) widths.push(shape.fault === undefined ? shape.fields : 0);
    start = shape.end + 1;
  }
  if (widths.length === 0 && head.length > 0) {
    const line = head.indexOf(dialect.lineEnd);
    const record = line === -1 ? head : head.subarray(0, line);
    widths.push(fieldsOf(record, { ...dialect, quote: undefined }).length);
  }
  return widths;
}

import { fieldsOf, recordAt, type CsvDialect } from './csv-record.js';

const DELIMITERS = [',', '\t', ';', '|'].map((delimiter) => delimiter.charCodeAt(0));
const SAMPLE_RECORDS = 200;

/**
 * The dialect that gives most of the first records as many fields as the header has; more fields win a tie, then the
 * order comma, tab, semicolon, bar. A file of one column reads with a comma.
 *
 * @param head the first bytes of the file, without a byte order mark
 * @param whole whether `head` is the whole file
 */
export function sniffDialect(head: Buffer, whole: boolean): CsvDialect {
  const lineEnd = head.includes(10) || !head.includes(13) ? 10 : 13;
  let best: { dialect: CsvDialect; share: number; width: number } | undefined;
  for (const delimiter of DELIMITERS) {
    const dialect: CsvDialect = { delimiter, quote: true, lineEnd };
    const widths = sampleWidths(head, dialect, whole);
    const width = widths[0] ?? 1;
    if (width < 2) continue;
    const share = widths.filter((count) => count === width).length / widths.length;
    if (best === undefined || share > best.share || (share === best.share && width > best.width))
      best = { dialect, share, width };
  }
  return best?.dialect ?? { delimiter: DELIMITERS[0]!, quote: true, lineEnd };
}

function sampleWidths(head: Buffer, dialect: CsvDialect, whole: boolean): number[] {
  const widths: number[] = [];
  for (let start = 0; start < head.length && widths.length < SAMPLE_RECORDS;) {
    const shape = recordAt(head, start, dialect, whole);
    if (shape === undefined) break;
    const blank = shape.end === start || (shape.end === start + 1 && head[start] === 13);
    if (!blank) widths.push(shape.fault === undefined ? shape.fields : 0);
    start = shape.end + 1;
  }
  if (widths.length === 0 && head.length > 0) {
    const line = head.indexOf(dialect.lineEnd);
    const record = line === -1 ? head : head.subarray(0, line);
    widths.push(fieldsOf(record, { ...dialect, quote: false }).length);
  }
  return widths;
}

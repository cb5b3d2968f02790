import { isUtf8 } from 'node:buffer';
import { TerminalError } from '../../errors.js';
import type { CsvOptions } from '../../model/project.js';
import { fieldsOf, recordAt, type CsvDialect, type CsvField, type RecordShape } from './csv-record.js';
import { byteOf, sniffDialect } from './csv-dialect.js';
import { assertText } from './inspect-bytes.js';
import { FaultList } from './fault-list.js';
import { LineIndex } from './line-index.js';
import type { ByteSource } from './open-bytes.js';
import { readStretches } from './read-stretches.js';
import { keptText, type RowFault } from './row-fault.js';
import { emptyFile, headerOnly } from './empty-file.js';

export interface CsvScan {
  readonly dialect: CsvDialect;
  readonly headers: readonly string[];
  /** The headers are the file's first record. */
  readonly hasHeader: boolean;
  /** Data rows, the faulty ones included. */
  readonly rows: number;
  /** In the order of rows. */
  readonly faults: readonly RowFault[];
  readonly lines: LineIndex;
  /** DuckDB reads the file as it is to the same rows; else a cleaned copy is needed. */
  readonly clean: boolean;
  readonly longestRecordBytes: number;
  /** How the records of a clean file end. */
  readonly newLine: '\n' | '\r\n';
  /** Some value holds a line end. */
  readonly multiLine: boolean;
}

export interface ScanOptions {
  readonly signal?: AbortSignal | undefined;
  /** How the file is written, as far as the project says. */
  readonly csv?: CsvOptions | undefined;
  /** A longer record is a fault. @default 16 MiB */
  readonly maxRecordBytes?: number | undefined;
  /** Skips sniffing. */
  readonly dialect?: CsvDialect;
  /** Receives the fields of every well-formed row, in order. */
  readonly onRow?: (fields: readonly CsvField[], row: number, line: number) => void;
  /** Called between chunks of the file; reading waits for it. */
  readonly onChunk?: () => Promise<void>;
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const HEAD_BYTES = 1 << 16;
/** A longer record is a fault: most often a quotation mark that nothing closes. */
export const MAX_RECORD_BYTES = 16 << 20;

/**
 * Reads a CSV file once, record by record: its dialect, header, number of rows, and the rows that are none (too many
 * or too few fields, broken quoting, not UTF-8, a NUL) with their lines. O(bytes) time, O(longest record + faults) memory.
 * Throws `ELT_FILE_EMPTY`, `ELT_FILE_HEADER_ONLY`, `ELT_FILE_MALFORMED`, `ELT_FILE_ENCODING`, `ELT_FILE_BINARY`, `ELT_GZIP_BROKEN`; a retry does not help.
 */
export async function scanCsv(source: ByteSource, options: ScanOptions = {}): Promise<CsvScan> {
  const seen: SeenQuotes = { broken: 0, quotedFields: 0 };
  const mayQuote = options.dialect === undefined && options.csv?.quote === undefined;
  // Broken quoting and not one well-quoted value: the marks are part of the text.
  const areText = (): boolean => mayQuote && seen.broken > 0 && seen.quotedFields === 0;
  try {
    const scan = await scanOnce(source, options, seen);
    if (!areText()) return scan;
  } catch (error) {
    if (!areText()) throw error;
  }
  return scanOnce(source, { ...options, dialect: { ...seen.dialect!, quote: undefined } });
}

/** What a scan has seen so far, also one that fails. */
interface SeenQuotes {
  dialect?: CsvDialect;
  /** Records with broken quoting. */
  broken: number;
  quotedFields: number;
}

async function scanOnce(
  source: ByteSource,
  options: ScanOptions,
  seen: SeenQuotes = { broken: 0, quotedFields: 0 },
): Promise<CsvScan> {
  const { csv = {}, maxRecordBytes = MAX_RECORD_BYTES } = options;
  const comment = byteOf(csv.comment);
  let dialect = options.dialect;
  let headers: readonly string[] | undefined = Array.isArray(csv.header) ? (csv.header as string[]) : undefined;
  const faults = new FaultList(source.file);
  const lines = new LineIndex();
  const totals = {
    rows: 0,
    line: 1,
    longest: 0,
    innerLines: 0,
    returns: 0,
    plainEnds: 0,
  };
  let clean = csv.escape === undefined && (csv.skipLines ?? 0) === 0;

  const take = (buffer: Buffer, start: number, shape: RecordShape, sound: boolean): void => {
    const end =
      shape.end > start && buffer[shape.end - 1] === 13 && dialect!.lineEnd === 10 ? shape.end - 1 : shape.end;
    const line = totals.line;
    if (end < shape.end) totals.returns++;
    else if (shape.end < buffer.length) totals.plainEnds++;
    totals.line += 1 + shape.innerLines;
    totals.longest = Math.max(totals.longest, end - start);
    seen.quotedFields += shape.quoted;
    totals.innerLines += shape.innerLines;
    if (headers === undefined) {
      if (end === start && csv.header !== false) {
        clean = false;
        return;
      }
      const record = buffer.subarray(start, end);
      if (shape.fault !== undefined || !isUtf8(record)) throw badHeader(source.file, line, shape.fault);
      const fields = fieldsOf(record, dialect!);
      headers = fields.map(({ text }, index) => (csv.header === false ? `column_${index + 1}` : text));
      if (csv.header !== false) return;
    }
    if (end === start && headers.length > 1) {
      clean = false;
      return;
    }
    const row = ++totals.rows;
    lines.add(row, line);
    if (shape.bareReturn) clean = false;
    if (sound && shape.fields === headers.length && options.onRow === undefined) return;
    const record = buffer.subarray(start, end);
    if (shape.fault !== undefined) seen.broken++;
    const reason = shape.fault ?? faultOf(record, shape.fields, headers.length, sound);
    if (reason === undefined) options.onRow?.(fieldsOf(record, dialect!), row, line);
    else {
      faults.add({ row, line, column: null, value: null, reason, raw: keptText(record.toString('utf8')) });
      clean = false;
    }
  };

  let started = false;
  /** Gives how many bytes at the end belong to a record that is not whole. */
  const consume = (bytes: Buffer, last: boolean): number => {
    let buffer = bytes;
    if (!started) {
      if (buffer.length < HEAD_BYTES && !last) return buffer.length;
      started = true;
      if (buffer.length === 0) throw emptyFile(source.file, NOTHING);
      assertText(buffer.subarray(0, HEAD_BYTES), source.file, 'CSV');
      if (buffer.subarray(0, 3).equals(BYTE_ORDER_MARK)) buffer = buffer.subarray(3);
      buffer = withoutLines(buffer, csv.skipLines ?? 0, source.file);
      totals.line += csv.skipLines ?? 0;
      dialect ??= sniffDialect(buffer.subarray(0, HEAD_BYTES), last && buffer.length <= HEAD_BYTES, csv);
      seen.dialect = dialect;
      if (dialect.lineEnd === 13) clean = false;
    }
    // One look at the whole chunk; only a chunk with something odd in it is looked at record by record.
    const records = last ? buffer : buffer.subarray(0, buffer.lastIndexOf(dialect!.lineEnd) + 1);
    const sound = isUtf8(records) && !records.includes(0);
    let start = 0;
    while (start < buffer.length) {
      if (buffer[start] === comment) {
        const end = buffer.indexOf(dialect!.lineEnd, start);
        if (end === -1 && !last) break;
        clean = false;
        totals.line++;
        start = end === -1 ? buffer.length : end + 1;
        continue;
      }
      const shape = recordAt(buffer, start, dialect!, last || buffer.length - start > maxRecordBytes);
      if (shape === undefined) break;
      take(buffer, start, shape, sound);
      start = shape.end + 1;
    }
    return buffer.length - start;
  };

  let left = 0;
  for await (const { bytes, isLast } of readStretches(source, () => left, options.signal)) {
    left = consume(bytes, isLast);
    await options.onChunk?.();
  }
  if (headers === undefined) throw emptyFile(source.file, NOTHING);
  if (totals.rows === 0) throw Array.isArray(csv.header) ? emptyFile(source.file, NOTHING) : headerOnly(source.file);
  return {
    dialect: dialect!,
    headers,
    hasHeader: csv.header === undefined || csv.header === true,
    rows: totals.rows,
    faults: faults.all,
    lines,
    clean: clean && (totals.returns === 0 || totals.plainEnds === 0),
    newLine: totals.returns > 0 ? '\r\n' : '\n',
    longestRecordBytes: totals.longest,
    multiLine: totals.innerLines > 0,
  };
}

/** Throws `ELT_FILE_MALFORMED` when the first 64 KiB do not hold that many lines. */
function withoutLines(head: Buffer, count: number, file: string): Buffer {
  const lineEnd = head.includes(10) ? 10 : 13;
  let start = 0;
  for (let line = 1; line <= count; line++) {
    const end = head.indexOf(lineEnd, start);
    if (end === -1)
      throw new TerminalError(
        'ELT_FILE_MALFORMED',
        `Reading ${file} failed: \`skip_lines\` is ${count}, but its first 64 KiB hold ${line - 1} line ends.`,
        { at: { file, line }, next: 'Correct `skip_lines` of the resource.' },
      );
    start = end + 1;
  }
  return head.subarray(start);
}

function faultOf(record: Buffer, fields: number, expected: number, sound: boolean): string | undefined {
  if (fields !== expected) return `too ${fields > expected ? 'many' : 'few'} fields: ${fields}, expected ${expected}`;
  if (sound) return undefined;
  if (!isUtf8(record)) return 'not valid UTF-8';
  return record.includes(0) ? 'holds a NUL character, which PostgreSQL cannot store' : undefined;
}

const NOTHING = 'it is empty; expected a header and rows';

function badHeader(file: string, line: number, fault: string | undefined): TerminalError {
  return new TerminalError(
    'ELT_FILE_MALFORMED',
    `Reading the header of ${file} failed: ${fault ?? 'it is not valid UTF-8'}.`,
    {
      at: { file, line },
      next:
        fault === undefined
          ? 'Say how the file is written: `encoding: windows-1252`, `latin-1` or `utf-16`.'
          : 'Correct the first line of the file.',
    },
  );
}

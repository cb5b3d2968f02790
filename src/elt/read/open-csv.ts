import { join } from 'node:path';
import type { CsvOptions } from '../../model/project.js';
import { literal } from '../../model/sql-identifier.js';
import { convertCsv } from './convert-csv.js';
import { QUOTE, type CsvDialect } from './csv-record.js';
import type { ByteSource } from './open-bytes.js';
import type { RowSource } from './row-source.js';
import { scanCsv, type CsvScan } from './scan-csv.js';
import { writeCsv } from './write-csv.js';

/** Scans a CSV file and, when DuckDB would not read the same rows from it, writes a cleaned copy into `folder`. */
export async function openCsv(
  source: ByteSource,
  folder: string,
  csv?: CsvOptions,
  signal?: AbortSignal,
): Promise<RowSource> {
  const scan = await scanCsv(source, { csv, signal });
  const isClean = scan.clean && source.encoding === 'utf-8' && csv?.nullValues === undefined;
  const relation = isClean
    ? readCsv(source.path, scan, {
        dialect: scan.dialect,
        header: scan.hasHeader,
        gzip: source.gzip,
        newLine: scan.newLine,
      })
    : readCsv(await cleanedCopy(source, scan, folder, csv, signal), scan, {
        dialect: CLEANED,
        header: false,
        gzip: false,
        newLine: '\n',
      });
  return {
    headers: scan.headers,
    relation,
    types: scan.headers.map(() => undefined),
    allowed: scan.headers.map(() => undefined),
    rows: scan.rows,
    ...(isClean && { convert: (columns, options) => convertCsv(source, scan, columns, options) }),
    faults: scan.faults,
    lineOf: (row) => scan.lines.lineOf(row),
    extraMemoryMb: extraMemoryMb(scan.longestRecordBytes),
    dialect: {
      format: 'csv',
      delimiter: String.fromCharCode(scan.dialect.delimiter),
      quote: scan.dialect.quote === undefined ? '' : String.fromCharCode(scan.dialect.quote),
      encoding: source.encoding,
      cleaned: !isClean,
    },
  };
}

const CLEANED: CsvDialect = { delimiter: 44, quote: QUOTE, lineEnd: 10 };
// DuckDB's own limit is 2,097,152 bytes a line, and it holds about 16 buffers of that size.
const USUAL_LINE_BYTES = 1_900_000;

async function cleanedCopy(
  source: ByteSource,
  scan: CsvScan,
  folder: string,
  csv?: CsvOptions,
  signal?: AbortSignal,
): Promise<string> {
  const nulls = new Set(['', ...(csv?.nullValues ?? [])]);
  const path = join(folder, 'cleaned.csv');
  const writer = writeCsv(path);
  await scanCsv(source, {
    csv,
    signal,
    dialect: scan.dialect,
    onRow: (fields) => writer.add(fields.map(({ text, quoted }) => (!quoted && nulls.has(text) ? null : text))),
    onChunk: () => writer.drain(),
  });
  await writer.end();
  return path;
}

export function readCsv(
  path: string,
  scan: Pick<CsvScan, 'headers' | 'longestRecordBytes' | 'multiLine'>,
  options: {
    readonly dialect: CsvDialect;
    readonly header: boolean;
    readonly gzip: boolean;
    readonly newLine: '\n' | '\r\n';
  },
): string {
  const { dialect } = options;
  const quote = dialect.quote === undefined ? '' : String.fromCharCode(dialect.quote);
  const columns = scan.headers.map((_, index) => `'c${index}': 'VARCHAR'`).join(', ');
  const settings = [
    literal(path),
    'auto_detect = false',
    `header = ${options.header}`,
    `delim = ${literal(String.fromCharCode(dialect.delimiter))}`,
    `quote = ${literal(quote)}`,
    `escape = ${literal(quote)}`,
    `comment = ''`,
    // Guessed, it goes by the first line end, which may lie in a quoted value.
    `new_line = '${options.newLine === '\n' ? '\\n' : '\\r\\n'}'`,
    `nullstr = ''`,
    'allow_quoted_nulls = false',
    `compression = '${options.gzip ? 'gzip' : 'none'}'`,
    `columns = {${columns}}`,
    // Several threads may cut the file inside a value that holds line ends.
    `parallel = ${!scan.multiLine}`,
  ];
  if (scan.longestRecordBytes > USUAL_LINE_BYTES) settings.push(`max_line_size = ${2 * scan.longestRecordBytes}`);
  return `read_csv(${settings.join(', ')})`;
}

export function extraMemoryMb(longestRecordBytes: number): number {
  return longestRecordBytes > USUAL_LINE_BYTES ? Math.ceil((40 * longestRecordBytes) / 1e6) : 0;
}

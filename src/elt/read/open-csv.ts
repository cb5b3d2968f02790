import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { ColumnType, CsvOptions } from '../../model/project.js';
import { literal } from '../../model/sql-identifier.js';
import { classifyCsv } from './classify-csv.js';
import { convertInThread } from './convert-in-thread.js';
import { numberColumns, numberReader, valuesOf } from './csv-numbers.js';
import { keptText, type RowFault } from './row-fault.js';
import { QUOTE, type CsvDialect } from './csv-record.js';
import type { Compression } from './inspect-bytes.js';
import type { ByteSource } from './open-bytes.js';
import type { RowSource } from './row-source.js';
import { scanCsv, type CsvScan } from './scan-csv.js';
import { writeCsv } from './write-csv.js';

/**
 * Scans a CSV file and, when DuckDB would not read the same rows from it, writes a cleaned copy into `folder`.
 *
 * @param known types by header, and the share of values that may be at odds with their column; only numbers with other marks need it
 */
export async function openCsv(
  source: ByteSource,
  folder: string,
  csv?: CsvOptions,
  signal?: AbortSignal,
  known: KnownColumns = { types: new Map(), tolerance: 0 },
  maxRecordBytes?: number,
): Promise<RowSource> {
  const scan = await scanCsv(source, { csv, signal, maxRecordBytes });
  const isClean =
    scan.clean && source.encoding === 'utf-8' && csv?.nullValues === undefined && numberReader(csv ?? {}) === undefined;
  const cleaned = isClean ? undefined : await cleanedCopy(source, scan, folder, { csv, signal, known, maxRecordBytes });
  const relation =
    cleaned === undefined
      ? readCsv(source.path, scan, {
          dialect: scan.dialect,
          header: scan.hasHeader,
          compression: source.compression,
          newLine: scan.newLine,
        })
      : readCsv(cleaned.path, scan, {
          dialect: CLEANED,
          header: false,
          compression: 'none',
          newLine: '\n',
        });
  return {
    headers: scan.headers,
    relation,
    types: scan.headers.map(() => undefined),
    allowed: scan.headers.map(() => undefined),
    rows: scan.rows,
    ...(isClean && {
      convert: (columns, options) => convertInThread(source, scan, columns, options),
      classify: (positions, tolerance) => classifyCsv(source, scan, positions, tolerance, signal),
    }),
    faults: [...scan.faults, ...(cleaned?.faults ?? [])].sort((one, other) => one.row - other.row),
    lineOf: (row) => scan.lines.lineOf(row),
    lines: scan.lines,
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

interface KnownColumns {
  readonly types: ReadonlyMap<string, ColumnType>;
  readonly tolerance: number;
}

/** @returns the copy, and the rows left out of it because a number in them is not written as the project says */
async function cleanedCopy(
  source: ByteSource,
  scan: CsvScan,
  folder: string,
  options: {
    readonly csv: CsvOptions | undefined;
    readonly signal: AbortSignal | undefined;
    readonly known: KnownColumns;
    readonly maxRecordBytes: number | undefined;
  },
): Promise<{ readonly path: string; readonly faults: readonly RowFault[] }> {
  const { csv = {}, signal, known, maxRecordBytes } = options;
  const again = { csv, signal, maxRecordBytes, dialect: scan.dialect };
  const nulls = new Set(['', ...(csv.nullValues ?? [])]);
  const read = numberReader(csv);
  const counted = read && numberColumns(scan.headers, read, known);
  if (counted) await scanCsv(source, { ...again, onRow: (fields) => counted.count(valuesOf(fields, nulls)) });
  const isNumber = counted?.columns();
  const faults: RowFault[] = [];
  const path = join(folder, `cleaned-${randomUUID()}.csv`);
  const writer = writeCsv(path);
  await scanCsv(source, {
    ...again,
    onRow(fields, row, line) {
      const values = valuesOf(fields, nulls);
      const plain = values.map((value, index) => (value !== null && isNumber?.[index] ? read!(value) : value));
      const wrong = plain.indexOf(undefined);
      if (wrong === -1) writer.add(plain as (string | null)[]);
      else faults.push(notANumber(scan.headers[wrong]!, values, wrong, { row, line, csv }));
    },
    onChunk: () => writer.drain(),
  });
  await writer.end();
  return { path, faults };
}

function notANumber(
  column: string,
  values: readonly (string | null)[],
  index: number,
  { row, line, csv }: { readonly row: number; readonly line: number; readonly csv: CsvOptions },
): RowFault {
  const { decimal = '.', thousands } = csv;
  const marks = `${JSON.stringify(decimal)} before decimals${thousands === undefined ? '' : ` and ${JSON.stringify(thousands)} between thousands`}`;
  const [value, raw] = [keptText(values[index]!), keptText(JSON.stringify(values))];
  return { row, line, column, value, reason: `expected a number with ${marks}`, raw };
}

/** @param path of the file, or of the files that it is, one after the other */
export function readCsv(
  path: string | readonly string[],
  scan: Pick<CsvScan, 'headers' | 'longestRecordBytes' | 'multiLine'>,
  options: {
    readonly dialect: CsvDialect;
    readonly header: boolean;
    readonly compression: Compression;
    readonly newLine: '\n' | '\r\n';
  },
): string {
  const { dialect } = options;
  const quote = dialect.quote === undefined ? '' : String.fromCharCode(dialect.quote);
  const columns = scan.headers.map((_, index) => `'c${index}': 'VARCHAR'`).join(', ');
  const settings = [
    typeof path === 'string' ? literal(path) : `[${path.map(literal).join(', ')}]`,
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
    `compression = '${options.compression}'`,
    'hive_partitioning = false',
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

import type { ColumnType, CsvOptions } from '../../model/project.js';
import { classifyCsv } from './classify-csv.js';
import { convertInThread } from './convert-in-thread.js';
import { numberColumns, numberReader, valuesOf } from './csv-numbers.js';
import { FaultList } from './fault-list.js';
import { keptText, type RowFault } from './row-fault.js';
import type { CsvSpool } from './csv-spool.js';
import type { ByteSource } from './open-bytes.js';
import { extraMemoryMb, readCsv } from './read-csv.js';
import type { RowSource } from './row-source.js';
import { scanCsv, type CsvScan } from './scan-csv.js';
import { spoolRows, type Spooled, type SpooledRows } from './spool-rows.js';

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
  const rows = isClean
    ? asItIs(source, scan, signal)
    : await cleanedCopy(source, scan, folder, { csv, signal, known, maxRecordBytes });
  return {
    ...rows,
    types: scan.headers.map(() => undefined),
    allowed: scan.headers.map(() => undefined),
    dialect: {
      format: 'csv',
      delimiter: String.fromCharCode(scan.dialect.delimiter),
      quote: scan.dialect.quote === undefined ? '' : String.fromCharCode(scan.dialect.quote),
      encoding: source.encoding,
      cleaned: !isClean,
    },
  };
}

function asItIs(source: ByteSource, scan: CsvScan, signal: AbortSignal | undefined): Spooled {
  const { headers, dialect, hasHeader: header, newLine, rows, faults, lines, longestRecordBytes } = scan;
  return {
    headers,
    relation: readCsv(source.path, scan, { dialect, header, compression: source.compression, newLine }),
    rows,
    faults,
    convert: (columns, options) => convertInThread(source, scan, columns, options),
    classify: (positions, tolerance) => classifyCsv(source, scan, positions, tolerance, signal),
    lineOf: (row) => lines.lineOf(row),
    lines,
    extraMemoryMb: extraMemoryMb(longestRecordBytes),
  };
}

interface KnownColumns {
  readonly types: ReadonlyMap<string, ColumnType>;
  readonly tolerance: number;
}

/** Leaves out rows in which a number is not written as the project says. */
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
): Promise<Spooled> {
  const { csv = {}, signal, known, maxRecordBytes } = options;
  const { headers, rows, lines } = scan;
  const again = { csv, signal, maxRecordBytes, dialect: scan.dialect };
  const nulls = new Set(['', ...(csv.nullValues ?? [])]);
  const read = numberReader(csv);
  const counted = read && numberColumns(headers, read, known, rows);
  if (counted) await scanCsv(source, { ...again, onRow: (fields) => counted.count(valuesOf(fields, nulls)) });
  const isNumber = counted?.columns();
  const unread = new FaultList(source.file);
  const write = async (spool: CsvSpool): Promise<SpooledRows> => {
    await scanCsv(source, {
      ...again,
      onRow(fields, row, line) {
        const values = valuesOf(fields, nulls);
        const plain = values.map((value, index) => (value !== null && isNumber?.[index] ? read!(value) : value));
        const wrong = plain.indexOf(undefined);
        if (wrong === -1) spool.addRow(plain as (string | null)[]);
        else unread.add(notANumber(headers[wrong]!, values, wrong, { row, line, csv }));
      },
      onChunk: () => spool.drain(),
    });
    const faults = [...scan.faults, ...unread.all].sort((one, other) => one.row - other.row);
    return { headers, rows, faults, lines };
  };
  return spoolRows(folder, source.file, write, signal);
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

import type { ColumnType, ContractMode, CsvOptions } from '../../model/project.js';
import { nameColumns } from '../schema/name-columns.js';
import { classifyCsv } from './classify-csv.js';
import { convertInThread } from './convert-in-thread.js';
import { readerColumns, valueReaders, valuesOf } from './csv-values.js';
import { FaultList } from './fault-list.js';
import { frozen } from './frozen.js';
import { keptText } from './row-fault.js';
import type { CsvSpool } from './csv-spool.js';
import type { ByteSource } from './open-bytes.js';
import { extraMemoryMb, readCsv } from './read-csv.js';
import type { RowSource } from './row-source.js';
import { scanCsv, type CsvScan } from './scan-csv.js';
import { spoolRows, type Spooled, type SpooledRows } from './spool-rows.js';

/**
 * Scans a CSV file and, when DuckDB would not read the same rows from it, writes a cleaned copy into `folder`.
 *
 * @param known types by column, the share of values that may be at odds with theirs, and what becomes of them; only numbers and dates that are written otherwise need it
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
    scan.clean && source.encoding === 'utf-8' && csv?.nullValues === undefined && valueReaders(csv ?? {}).length === 0;
  const rows = isClean
    ? asItIs(source, scan, signal)
    : await cleanedCopy(source, scan, folder, { csv, signal, known, maxRecordBytes });
  return {
    allowed: scan.headers.map(() => undefined),
    ...rows,
    types: scan.headers.map(() => undefined),
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
  /** What a contract says of a value that is no value of its column. @default 'discard_row' */
  readonly misfits?: ContractMode | undefined;
}

/** Leaves out rows in which a value is not written as the project says, unless a contract wants something else. */
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
): Promise<Spooled & Partial<Pick<RowSource, 'allowed'>>> {
  const { csv = {}, signal, known, maxRecordBytes } = options;
  const { headers, rows, lines } = scan;
  const again = { csv, signal, maxRecordBytes, dialect: scan.dialect };
  const nulls = new Set(['', ...(csv.nullValues ?? [])]);
  const readers = valueReaders(csv);
  const names = readers.length === 0 ? [] : nameColumns(headers, source.file).names;
  const counted = readers.length === 0 ? undefined : readerColumns(names, readers, known, rows);
  if (counted) await scanCsv(source, { ...again, onRow: (fields) => counted.count(valuesOf(fields, nulls)) });
  const { readers: readerOf, isDoubtful } = counted?.columns() ?? {};
  const unread = new FaultList(source.file);
  const write = async (spool: CsvSpool): Promise<SpooledRows> => {
    await scanCsv(source, {
      ...again,
      onRow(fields, row, line) {
        const values = valuesOf(fields, nulls);
        const plain = values.map((value, index) => {
          const reader = value === null ? undefined : readerOf?.[index];
          return reader === undefined ? value : reader.read(value!);
        });
        const wrong = plain.indexOf(undefined);
        if (wrong === -1) return spool.addRow(plain as (string | null)[]);
        if (known.misfits === 'discard_value')
          return spool.addRow(plain.map((value, index) => (value === undefined ? asNoValue(values[index]!) : value)));
        // What is right beside it is kept as databases read it, as in every quarantined row: so the row is read when it comes back.
        const kept = values.map((value, index) => plain[index] ?? value);
        const [value, raw] = [keptText(values[wrong]!), keptText(JSON.stringify(kept))];
        const reason = `expected ${readerOf![wrong]!.expected}`;
        const fault = { row, line, column: names[wrong]!, value, reason, raw };
        if (known.misfits === 'freeze') throw frozen(fault, source.file);
        unread.add(fault);
      },
      onChunk: () => spool.drain(),
    });
    const faults = [...scan.faults, ...unread.all].sort((one, other) => one.row - other.row);
    return { headers, rows, faults, lines };
  };
  const spooled = await spoolRows(folder, source.file, write, signal);
  return { ...spooled, ...(isDoubtful && { allowed: isDoubtful.map((isText) => (isText ? ['text'] : undefined)) }) };
}

/** A text that no type of numbers or dates reads, so that it goes the way of what does not fit: `1.5` would be a number. */
function asNoValue(text: string): string {
  return `${text}?`;
}

import { TerminalError } from '../../errors.js';
import type { LoadColumn } from '../schema/column.js';
import { expectation } from '../schema/type-rules.js';
import { writeBinaryRows } from './binary-rows.js';
import { fieldsOf, type CsvDialect } from './csv-record.js';
import type { ByteSource } from './open-bytes.js';
import { bytesOfFault } from './fault-list.js';
import { readRecords } from './read-records.js';
import { MAX_CHUNK_BYTES, type ChunkOptions, type RowChunk } from './row-chunk.js';
import { keptText, type RowFault } from './row-fault.js';
import type { CsvScan } from './scan-csv.js';
import { plural } from '../../model/plural.js';
import { writeTextRows } from './text-rows.js';

/**
 * The rows of a clean CSV file, and of those that it was left without, from `options.fromRow` on: each value checked and written byte by byte in the COPY format that
 * is asked for, without becoming a string. O(bytes) time, O(chunk) memory.
 * Throws `ELT_FILE_MALFORMED` when the rows are not those of the scan; a retry does not help.
 */
export async function* convertCsv(
  source: ByteSource,
  scan: Pick<CsvScan, 'dialect' | 'hasHeader' | 'rows' | 'multiLine'> & {
    readonly lines: Pick<CsvScan['lines'], 'lineOf'>;
  },
  columns: readonly LoadColumn[],
  options: ChunkOptions,
): AsyncGenerator<RowChunk> {
  const { dialect, lines } = scan;
  const { format = 'text', faults = [] } = options;
  const writer =
    format === 'binary'
      ? writeBinaryRows(columns, dialect, options.loadId)
      : writeTextRows(columns, dialect, options.loadId);
  let chunk = emptyChunk(options.fromRow);
  let mostRows = Math.min(options.firstRows ?? options.maxRows, options.maxRows);
  let row = 0;
  let faultBytes = 0;
  let nextFault = 0;

  /** Counts the rows that the file lacks before its next one. */
  const takeFaults = (): void => {
    for (let fault = faults[nextFault]; fault?.row === row + 1; fault = faults[++nextFault])
      if (++row >= options.fromRow) chunk.faults.push(fault);
  };
  /** Takes the record between `start` and `end`; gives a chunk when one is full. */
  const take = (buffer: Buffer, start: number, end: number): RowChunk | undefined => {
    takeFaults();
    row++;
    if (row < options.fromRow) return undefined;
    const refused = options.refused?.get(row);
    if (refused !== undefined) chunk.faults.push({ ...refused, line: lines.lineOf(row) });
    else {
      const misfit = writer.write(buffer, start, end, row);
      if (misfit === undefined) chunk.rowNumbers.push(row);
      else if (misfit < columns.length) {
        const fault = misfitOf(buffer.subarray(start, end), dialect, columns, misfit, row, lines.lineOf(row));
        chunk.faults.push(fault);
        faultBytes += bytesOfFault(fault);
      } else throw otherRows(options.file, scan.rows, row - 1);
    }
    if (row + 1 - chunk.fromRow < mostRows && writer.bytes() + faultBytes < MAX_CHUNK_BYTES) return undefined;
    const full = finished();
    chunk = emptyChunk(row + 1);
    faultBytes = 0;
    mostRows = Math.min(2 * mostRows, options.maxRows);
    return full;
  };
  const finished = (): RowChunk => ({ ...chunk, nextRow: row + 1, format, ...writer.take() });

  yield* readRecords(source, scan, take, options.signal);
  takeFaults();
  if (row !== scan.rows) throw otherRows(options.file, scan.rows, row);
  if (row + 1 > chunk.fromRow) yield finished();
}

function emptyChunk(fromRow: number): {
  fromRow: number;
  rowNumbers: number[];
  faults: RowFault[];
  discarded: ReadonlyMap<string, number>;
} {
  return { fromRow, rowNumbers: [], faults: [], discarded: NOTHING };
}

const NOTHING: ReadonlyMap<string, number> = new Map();

function misfitOf(
  record: Buffer,
  dialect: CsvDialect,
  columns: readonly LoadColumn[],
  index: number,
  row: number,
  line: number,
): RowFault {
  const values = fieldsOf(record, dialect).map(({ text, quoted }) => (!quoted && text === '' ? null : text));
  const value = values[index] ?? null;
  const column = columns[index]!;
  return {
    row,
    line,
    column: column.name,
    value: value === null ? null : keptText(value),
    reason: `expected ${expectation(column.type)} (${column.type})`,
    raw: keptText(JSON.stringify(values)),
  };
}

function otherRows(file: string, counted: number, read: number): TerminalError {
  return new TerminalError(
    'ELT_FILE_MALFORMED',
    `Reading ${file} failed: ${counted} ${plural(counted, 'row was', 'rows were')} counted, ${read} could be read.`,
    { at: { file }, next: 'Check the quoting of the file around its multi-line values.' },
  );
}

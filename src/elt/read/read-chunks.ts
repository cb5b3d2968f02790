import type { DuckDBConnection } from '@duckdb/node-api';
import { TerminalError } from '../../errors.js';
import type { LoadColumn } from '../schema/column.js';
import { copyField, expectation, isValid } from '../schema/type-rules.js';
import { keptText, type RowFault } from './row-fault.js';
import type { RowSource } from './row-source.js';

/** Consecutive rows of a file, ready for COPY. */
export interface RowChunk {
  readonly fromRow: number;
  /** Where the next chunk begins. */
  readonly nextRow: number;
  /** Row numbers of `lines`, ascending. */
  readonly rowNumbers: readonly number[];
  /** COPY text lines without their line end; the row number comes first. */
  readonly lines: readonly string[];
  readonly faults: readonly RowFault[];
}

export interface ChunkOptions {
  readonly file: string;
  /** The first row wanted. */
  readonly fromRow: number;
  readonly maxRows: number;
  /** Rows that PostgreSQL refused in an earlier try. */
  readonly refused?: ReadonlyMap<number, RowFault>;
  readonly signal?: AbortSignal | undefined;
}

// A chunk is held in memory until it is committed.
const MAX_CHUNK_CHARACTERS = 16 << 20;

/**
 * The rows from `fromRow` on, in the order of the file, each either a COPY line or a fault. DuckDB checks and writes
 * the values; row numbers count good and faulty rows alike, so they are the same in every attempt.
 * Throws `ELT_FILE_MALFORMED` when DuckDB sees other rows than the scan did; a retry does not help.
 */
export async function* readChunks(
  connection: DuckDBConnection,
  source: RowSource,
  columns: readonly LoadColumn[],
  options: ChunkOptions,
): AsyncGenerator<RowChunk> {
  const faults = source.faults.filter(({ row }) => row >= options.fromRow);
  const skipped = options.fromRow - 1 - (source.faults.length - faults.length);
  const result = await connection.stream(chunkQuery(source, columns, skipped));
  let nextFault = 0;
  let row = options.fromRow;
  let chunk = emptyChunk(row);
  let characters = 0;

  const takeFaults = (): void => {
    for (; faults[nextFault]?.row === row; nextFault++, row++) chunk.faults.push(faults[nextFault]!);
  };
  for (;;) {
    options.signal?.throwIfAborted();
    const batch = await result.fetchChunk();
    if (batch === null || batch.rowCount === 0) break;
    const lines = batch.getColumnValues(0) as string[];
    const misfits = batch.getColumnValues(1) as (number | null)[];
    const raws = batch.getColumnValues(2) as (string | null)[];
    for (let index = 0; index < lines.length; index++) {
      takeFaults();
      const misfit = misfits[index];
      const refused = options.refused?.get(row);
      if (refused !== undefined) chunk.faults.push({ ...refused, line: source.lineOf(row) });
      else if (misfit == null) {
        const line = `${row}\t${lines[index]!}`;
        chunk.rowNumbers.push(row);
        chunk.lines.push(line);
        characters += line.length;
      } else chunk.faults.push(misfitOf(source, columns[misfit]!, misfit, row, raws[index]!));
      row++;
      if (row - chunk.fromRow >= options.maxRows || characters >= MAX_CHUNK_CHARACTERS) {
        yield { ...chunk, nextRow: row };
        chunk = emptyChunk(row);
        characters = 0;
      }
    }
  }
  takeFaults();
  if (row - 1 !== source.rows)
    throw new TerminalError(
      'ELT_FILE_MALFORMED',
      `Reading ${options.file} failed: ${source.rows} rows were counted, ${row - 1} could be read.`,
      { at: { file: options.file }, next: 'Check the quoting of the file around its multi-line values.' },
    );
  if (row > chunk.fromRow) yield { ...chunk, nextRow: row };
}

function emptyChunk(fromRow: number): { fromRow: number; rowNumbers: number[]; lines: string[]; faults: RowFault[] } {
  return { fromRow, rowNumbers: [], lines: [], faults: [] };
}

function chunkQuery(source: RowSource, columns: readonly LoadColumn[], skipped: number): string {
  const line = columns.map(({ type }, index) => copyField(type, `c${index}`)).join(', ');
  const checks = columns.flatMap(({ type }, index) =>
    type === 'text' ? [] : [`WHEN NOT ${isValid(type, `c${index}`)} THEN ${index}`],
  );
  const misfit = checks.length === 0 ? 'NULL::INTEGER' : `CASE ${checks.join(' ')} END::INTEGER`;
  const raw = `to_json([${columns.map((_, index) => `c${index}`).join(', ')}])::VARCHAR`;
  const rows = `SELECT *, ${misfit} AS misfit FROM ${source.relation}${skipped > 0 ? ` OFFSET ${skipped}` : ''}`;
  return `SELECT concat_ws(chr(9), ${line}), misfit, CASE WHEN misfit IS NOT NULL THEN ${raw} END FROM (${rows})`;
}

function misfitOf(source: RowSource, column: LoadColumn, index: number, row: number, raw: string): RowFault {
  const value = (JSON.parse(raw) as (string | null)[])[index] ?? null;
  return {
    row,
    line: source.lineOf(row),
    column: column.name,
    value: value === null ? null : keptText(value),
    reason: `expected ${expectation(column.type)} (${column.type})`,
    raw: keptText(raw),
  };
}

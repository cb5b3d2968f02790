import type { DuckDBConnection } from '@duckdb/node-api';
import { TerminalError } from '../../errors.js';
import type { LoadColumn } from '../schema/column.js';
import { copyField, expectation, isValid } from '../schema/type-rules.js';
import { MAX_CHUNK_BYTES, type ChunkOptions, type RowChunk } from './row-chunk.js';
import { keptText, type RowFault } from './row-fault.js';
import type { RowSource } from './row-source.js';

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
  if (source.convert !== undefined) {
    yield* source.convert(columns, options);
    return;
  }
  const faults = source.faults.filter(({ row }) => row >= options.fromRow);
  const skipped = options.fromRow - 1 - (source.faults.length - faults.length);
  const result = await connection.stream(chunkQuery(source, columns, skipped));
  let nextFault = 0;
  let row = options.fromRow;
  let chunk = emptyChunk(row);
  let lines: string[] = [];
  let characters = 0;
  const full = (): RowChunk => ({ ...chunk, nextRow: row, blocks: blocksOf(lines) });

  const takeFaults = (): void => {
    for (; faults[nextFault]?.row === row; nextFault++, row++) chunk.faults.push(faults[nextFault]!);
  };
  for (;;) {
    options.signal?.throwIfAborted();
    const batch = await result.fetchChunk();
    if (batch === null || batch.rowCount === 0) break;
    const values = batch.getColumnValues(0) as string[];
    const misfits = batch.getColumnValues(1) as (number | null)[];
    const raws = batch.getColumnValues(2) as (string | null)[];
    for (let index = 0; index < values.length; index++) {
      takeFaults();
      const misfit = misfits[index];
      const refused = options.refused?.get(row);
      if (refused !== undefined) chunk.faults.push({ ...refused, line: source.lineOf(row) });
      else if (misfit == null) {
        const line = `${row}\t${values[index]!}`;
        chunk.rowNumbers.push(row);
        lines.push(line);
        characters += line.length;
      } else chunk.faults.push(misfitOf(source, columns[misfit]!, misfit, row, raws[index]!));
      row++;
      if (row - chunk.fromRow >= options.maxRows || characters >= MAX_CHUNK_BYTES) {
        yield full();
        chunk = emptyChunk(row);
        lines = [];
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
  if (row > chunk.fromRow) yield full();
}

function emptyChunk(fromRow: number): { fromRow: number; rowNumbers: number[]; faults: RowFault[] } {
  return { fromRow, rowNumbers: [], faults: [] };
}

const LINES_PER_BLOCK = 2_048;

function blocksOf(lines: readonly string[]): Buffer[] {
  const blocks: Buffer[] = [];
  for (let start = 0; start < lines.length; start += LINES_PER_BLOCK)
    blocks.push(Buffer.from(`${lines.slice(start, start + LINES_PER_BLOCK).join('\n')}\n`));
  return blocks;
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

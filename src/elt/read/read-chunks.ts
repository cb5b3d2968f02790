import { TerminalError } from '../../errors.js';
import type { LoadColumn } from '../schema/column.js';
import { copyField, expectation, isValid } from '../schema/type-rules.js';
import type { OpenDuckDB } from './duckdb.js';
import { bytesOfFault } from './fault-list.js';
import { frozen } from './frozen.js';
import { MAX_CHUNK_BYTES, type ChunkOptions, type RowChunk } from './row-chunk.js';
import { keptText, type RowFault } from './row-fault.js';
import type { RowSource } from './row-source.js';
import { plural } from '../../model/plural.js';

/**
 * The rows from `fromRow` on, in the order of the file, each either a COPY line or a fault. DuckDB checks and writes
 * the values; row numbers count good and faulty rows alike, so they are the same in every attempt.
 * Throws `ELT_FILE_MALFORMED` when DuckDB sees other rows than the scan did, `ELT_CONTRACT` on a value that does not fit a frozen type; a retry does not help.
 */
export async function* readChunks(
  duckdb: OpenDuckDB,
  source: RowSource,
  columns: readonly LoadColumn[],
  options: ChunkOptions,
): AsyncGenerator<RowChunk> {
  if (source.convert !== undefined && isPlain(options)) {
    yield* source.convert(columns, { ...options, faults: source.faults });
    return;
  }
  const faults = source.faults.filter(({ row }) => row >= options.fromRow);
  const skipped = options.fromRow - 1 - (source.faults.length - faults.length);
  const connection = await duckdb();
  const result = await connection.stream(chunkQuery(source, columns, skipped, options));
  const prefix = options.loadId === undefined ? '' : `${options.loadId}\t`;
  let nextFault = 0;
  let row = options.fromRow;
  let chunk = emptyChunk(row);
  let lines: string[] = [];
  let characters = 0;
  const full = (): RowChunk => ({ ...chunk, nextRow: row, format: 'text', blocks: blocksOf(lines) });

  const nameOf = (position: number): string =>
    columns[position]?.name ?? options.unwanted!.names[position - columns.length]!;
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
    const discards = batch.getColumnValues(3) as (string | null)[];
    for (let index = 0; index < values.length; index++) {
      takeFaults();
      const misfit = misfits[index];
      const refused = options.refused?.get(row);
      if (refused !== undefined) chunk.faults.push({ ...refused, line: source.lineOf(row) });
      else if (misfit == null) {
        const line = `${prefix}${row}${values[index]!}`;
        chunk.rowNumbers.push(row);
        lines.push(line);
        characters += line.length;
        for (const position of discards[index]?.split(',') ?? []) count(chunk.discarded, nameOf(Number(position)));
      } else {
        const fault = misfitOf(source, columns, misfit, row, raws[index]!, options);
        if (misfit < columns.length && options.types === 'freeze') throw frozen(fault, options.file);
        chunk.faults.push(fault);
        characters += bytesOfFault(fault);
      }
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
      `Reading ${options.file} failed: ${source.rows} ${plural(source.rows, 'row was', 'rows were')} counted, ${row - 1} could be read.`,
      { at: { file: options.file }, next: 'Check the quoting of the file around its multi-line values.' },
    );
  if (row > chunk.fromRow) yield full();
}

/** Only DuckDB's way of reading knows what a contract may ask for. */
function isPlain({ types = 'discard_row', unwanted }: ChunkOptions): boolean {
  return unwanted === undefined && (types === 'discard_row' || types === 'evolve');
}

const LINES_PER_BLOCK = 2_048;

function blocksOf(lines: readonly string[]): Buffer[] {
  const blocks: Buffer[] = [];
  for (let start = 0; start < lines.length; start += LINES_PER_BLOCK)
    blocks.push(Buffer.from(`${lines.slice(start, start + LINES_PER_BLOCK).join('\n')}\n`));
  return blocks;
}

interface OpenChunk {
  readonly fromRow: number;
  readonly rowNumbers: number[];
  readonly faults: RowFault[];
  readonly discarded: Map<string, number>;
}

function emptyChunk(fromRow: number): OpenChunk {
  return { fromRow, rowNumbers: [], faults: [], discarded: new Map() };
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/**
 * Gives four columns: the COPY line from the tab behind the row number on (at its very start DuckDB's client takes a U+FEFF
 * for a byte order mark and leaves it out), the position of what makes the row a fault, the row's values then, and positions of values left out.
 */
function chunkQuery(
  source: RowSource,
  columns: readonly LoadColumn[],
  skipped: number,
  { types, unwanted }: ChunkOptions,
): string {
  const all = [...columns, ...(unwanted?.names ?? [])].map((_, index) => `c${index}`);
  const misfits = columns.flatMap(({ type }, index) =>
    type === 'text' ? [] : [{ index, when: `NOT ${isValid(type, `c${index}`)}` }],
  );
  const foreign = (unwanted?.names ?? []).map((_, index) => {
    const position = columns.length + index;
    return { index: position, when: `c${position} IS NOT NULL` };
  });
  const isDropped = types === 'discard_value';
  const dropped = [...(isDropped ? misfits : []), ...(unwanted?.mode === 'discard_value' ? foreign : [])];
  const unfit = isDropped ? [] : misfits;
  const refused = unwanted?.mode === 'discard_row' ? foreign : [];
  // A row that is corrected must not lose a foreign value, so that this is what is wrong with it first.
  const faulty = types === 'freeze' ? [...unfit, ...refused] : [...refused, ...unfit];
  const line = columns.map(({ type }, index) => {
    const field = copyField(type, `c${index}`);
    return isDropped && type !== 'text'
      ? `CASE WHEN ${isValid(type, `c${index}`)} THEN ${field} ELSE '\\N' END`
      : field;
  });
  const checks = faulty.map(({ index, when }) => `WHEN ${when} THEN ${index}`).join(' ');
  const misfit = faulty.length === 0 ? 'NULL::INTEGER' : `CASE ${checks} END::INTEGER`;
  const listed = dropped.map(({ index, when }) => `CASE WHEN ${when} THEN '${index}' END`).join(', ');
  const discards = dropped.length === 0 ? 'NULL::VARCHAR' : `nullif(concat_ws(',', ${listed}), '')`;
  const rows = `SELECT *, ${misfit} AS misfit FROM ${source.relation}${skipped > 0 ? ` OFFSET ${skipped}` : ''}`;
  return `SELECT concat_ws(chr(9), '', ${line.join(', ')}), misfit, CASE WHEN misfit IS NOT NULL THEN to_json([${all.join(', ')}])::VARCHAR END,
    ${discards} FROM (${rows})`;
}

function misfitOf(
  source: RowSource,
  columns: readonly LoadColumn[],
  position: number,
  row: number,
  raw: string,
  { unwanted }: ChunkOptions,
): RowFault {
  const values = JSON.parse(raw) as (string | null)[];
  const value = values[position] ?? null;
  const column = columns[position];
  const kept = column === undefined || unwanted === undefined ? raw : JSON.stringify(values.slice(0, columns.length));
  return {
    row,
    line: source.lineOf(row),
    column: column?.name ?? unwanted!.names[position - columns.length]!,
    value: value === null ? null : keptText(value),
    reason:
      column === undefined
        ? 'the table does not have this column, and its contract takes no new ones'
        : `expected ${expectation(column.type)} (${column.type})`,
    raw: keptText(kept),
  };
}

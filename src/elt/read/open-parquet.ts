import type { DuckDBConnection } from '@duckdb/node-api';
import { PipelineError, TerminalError } from '../../errors.js';
import type { ColumnType } from '../../model/project.js';
import { identifier } from '../../model/sql-identifier.js';
import { parquetRows } from '../../table/parquet-rows.js';
import { columnsOnly } from './empty-file.js';
import type { RowSource } from './row-source.js';

/**
 * Describes a Parquet file: each column's type as the file states it, each value as exact text. Throws `ELT_FILE_MALFORMED`.
 *
 * @param known types of the table by column: whole numbers of a double or decimal column are written as such for one of whole numbers
 */
export async function openParquet(
  connection: DuckDBConnection,
  path: string,
  file: string,
  known: ReadonlyMap<string, ColumnType> = new Map(),
): Promise<RowSource> {
  const reader = parquetRows(path);
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${reader}`).catch((error: unknown) => {
    throw new TerminalError(
      'ELT_FILE_MALFORMED',
      `Reading ${file} as Parquet failed: ${firstLine(error).replaceAll(path, file)}.`,
      {
        at: { file },
        next: 'Write the file again, or set `format` of the resource.',
        cause: error,
      },
    );
  });
  const columns = described
    .getRows()
    .map(([name, type]) => ({ name: String(name), ...rendered(String(name), String(type)) }))
    .map(({ name, type, text }) => ({ name, type, text: known.get(name) === 'bigint' ? whole(type, text) : text }));
  const counted = await connection.runAndReadAll(`SELECT count(*)::VARCHAR FROM ${reader}`);
  const rows = Number(counted.getRows()[0]?.[0] ?? 0);
  if (rows === 0) throw columnsOnly(file, columns.length);
  return {
    headers: columns.map(({ name }) => name),
    relation: `(SELECT ${columns.map(({ text }, index) => `${text} AS c${index}`).join(', ')} FROM ${reader})`,
    types: columns.map(({ type }) => type),
    allowed: columns.map(() => undefined),
    rows,
    faults: [],
    lineOf: () => null,
    extraMemoryMb: 128,
    dialect: { format: 'parquet' },
  };
}

function rendered(name: string, duckType: string): { type: ColumnType; text: string } {
  const column = identifier(name);
  const plain = `${column}::VARCHAR`;
  const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(duckType);
  if (decimal !== null) return { type: `numeric(${Number(decimal[1])},${Number(decimal[2])})`, text: plain };
  if (/^U?(TINYINT|SMALLINT|INTEGER)$|^BIGINT$/.test(duckType)) return { type: 'bigint', text: plain };
  if (/^(UBIGINT|U?HUGEINT)$/.test(duckType)) return { type: 'numeric', text: plain };
  // A float is a double exactly; its own shortest text is not that double. A NaN has no sign, whatever its bits say.
  if (duckType === 'FLOAT' || duckType === 'DOUBLE')
    return {
      type: 'double precision',
      text: `CASE WHEN isnan(${column}) THEN 'nan' ELSE ${column}::DOUBLE::VARCHAR END`,
    };
  if (duckType === 'BOOLEAN') return { type: 'boolean', text: plain };
  if (duckType === 'DATE') return { type: 'date', text: plain };
  if (duckType === 'TIME') return { type: 'time', text: plain };
  if (duckType === 'TIMESTAMP WITH TIME ZONE') return { type: 'timestamptz', text: plain };
  if (/^TIMESTAMP(_S|_MS|_NS)?$/.test(duckType)) return { type: 'timestamp', text: plain };
  if (duckType === 'UUID') return { type: 'uuid', text: plain };
  if (duckType === 'BLOB') return { type: 'bytea', text: `'\\x' || lower(hex(${column}))` };
  // As it is written: read and written again, 1.10 would be 1.1.
  if (duckType === 'JSON') return { type: 'jsonb', text: plain };
  if (/\[\d*\]$|^(STRUCT|MAP|UNION)/.test(duckType)) return { type: 'jsonb', text: `to_json(${column})::VARCHAR` };
  return { type: 'text', text: plain };
}

/** pandas makes doubles of whole numbers where one is missing: 30.0 is 30. Doubles from 1e16 on have an exponent, and stay what they are. */
function whole(type: ColumnType, text: string): string {
  return type === 'double precision' || type.startsWith('numeric(') ? `regexp_replace(${text}, '[.]0+$', '')` : text;
}

/**
 * What DuckDB says while it reads pages (a codec or an encoding it does not know, damage, one value larger than the memory) as
 * `ELT_FILE_MALFORMED`, a retry of which does not help; any other error as it is.
 */
export function parquetFault(error: unknown, file: string): unknown {
  if (!(error instanceof Error) || error instanceof PipelineError) return error;
  const [, kind, why] =
    /^(Invalid|Invalid Input|IO|Not implemented|Serialization|Out of Memory) Error: ([^\n]*)/.exec(error.message) ?? [];
  // A full disk is no fault of the file.
  if (kind === undefined || /No space left on device/.test(error.message)) return error;
  // DuckDB names the file by where it lies, which tells the user nothing.
  const reason = why!.replace(/^Failed to read file "[^"]*": /, '').replace(/\.$/, '');
  return new TerminalError('ELT_FILE_MALFORMED', `Reading ${file} as Parquet failed: ${reason}.`, {
    at: { file },
    next:
      kind === 'Out of Memory'
        ? 'Write it with smaller row groups and pages, or without values of gigabytes. The table keeps its former rows.'
        : 'Write it anew with a usual codec (snappy, zstd, gzip) and encoding. The table keeps its former rows.',
    cause: error,
  });
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.replace(/\.$/, '');
}

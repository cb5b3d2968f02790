import { TerminalError } from '../errors.js';
import type { Session } from '../model/database.js';
import { lineOf, positionOf, runUserQuery, type UserQuery } from './user-query.js';

/** What a column can be used as. `other`: json, arrays, intervals, times of day, … */
export type ColumnClass =
  'integer' | 'numeric' | 'float' | 'boolean' | 'text' | 'date' | 'timestamp' | 'uuid' | 'other';

export interface ShapeColumn {
  readonly name: string;
  /** As PostgreSQL writes it, e.g. `numeric(10,2)`. */
  readonly type: string;
  readonly class: ColumnClass;
}

export interface QueryShape {
  readonly query: UserQuery;
  readonly columns: ReadonlyMap<string, ShapeColumn>;
}

/** Columns and types of a SELECT, without running it. */
export async function describeQuery(session: Session, query: UserQuery): Promise<QueryShape> {
  await runUserQuery(
    query,
    (select) => `CREATE TEMPORARY TABLE plumbline_shape ON COMMIT DROP AS SELECT * FROM ${select} AS q WITH NO DATA`,
    (text) => session.execute(text),
  );
  const rows = await session.query<{ name: string; type: string; base: string; kind: string }>(
    `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, b.typname AS base, b.typtype AS kind
       FROM pg_attribute a
       JOIN pg_type t ON t.oid = a.atttypid
       JOIN pg_type b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
      WHERE a.attrelid = 'pg_temp.plumbline_shape'::regclass AND a.attnum > 0
      ORDER BY a.attnum`,
  );
  await session.execute('DROP TABLE pg_temp.plumbline_shape');
  const columns = rows.map(({ name, type, base, kind }) => ({
    name,
    type,
    class: kind === 'e' ? ('text' as const) : (CLASSES[base] ?? 'other'),
  }));
  return { query, columns: new Map(columns.map((column) => [column.name, column])) };
}

const CLASSES: Readonly<Record<string, ColumnClass>> = Object.assign(Object.create(null), {
  int2: 'integer',
  int4: 'integer',
  int8: 'integer',
  numeric: 'numeric',
  float4: 'float',
  float8: 'float',
  bool: 'boolean',
  text: 'text',
  varchar: 'text',
  bpchar: 'text',
  citext: 'text',
  name: 'text',
  date: 'date',
  timestamp: 'timestamp',
  timestamptz: 'timestamp',
  uuid: 'uuid',
}) as Record<string, ColumnClass>;

/** The column that the header's `key` names. Throws FEATURES_COLUMN_MISSING. */
export function headerColumn(shape: QueryShape, key: string, name: string): ShapeColumn {
  const column = shape.columns.get(name);
  if (column !== undefined) return column;
  const { query } = shape;
  throw new TerminalError(
    'FEATURES_COLUMN_MISSING',
    `Reading ${query.file}: the header says \`${key}: ${name}\`, but the SELECT gives ${[...shape.columns.keys()].join(', ')}.`,
    {
      details: { file: query.file, key, column: name, columns: [...shape.columns.keys()] },
      at: headerPosition(query, key),
      next: `Add ${name} to the SELECT or correct the header.`,
    },
  );
}

/** `headerColumn` that must be a date or timestamp. */
export function timeColumn(shape: QueryShape, key: string, name: string): ShapeColumn {
  const column = headerColumn(shape, key, name);
  if (column.class === 'date' || column.class === 'timestamp') return column;
  throw columnTypeError(
    shape.query,
    column,
    `as ${key}`,
    'a date or timestamp',
    'Cast it in the SELECT, e.g. with to_timestamp().',
  );
}

export function columnTypeError(
  query: UserQuery,
  column: ShapeColumn,
  use: string,
  expected: string,
  next: string,
): TerminalError {
  return new TerminalError(
    'FEATURES_COLUMN_TYPE',
    `Using column ${column.name} of ${query.file} ${use} failed: its type is ${column.type}, expected ${expected}.`,
    { details: { file: query.file, column: column.name, type: column.type }, at: positionOf(query, column.name), next },
  );
}

function headerPosition(query: UserQuery, key: string): { file: string; line?: number } {
  const index = query.sql.split('\n').findIndex((line) => new RegExp(`^\\s*--\\s*${key}\\s*:`).test(line));
  return index < 0 ? { file: query.file } : { file: query.file, line: lineOf(query, index) };
}

import type { Queryable } from '../../model/database.js';
import type { ColumnType } from '../../model/project.js';
import { metadataColumns, validityColumns } from './column.js';

/** The columns of a table with their types, without the loader's own; undefined when there is no such table. */
export async function tableColumns(
  database: Queryable,
  schema: string,
  table: string,
): Promise<ReadonlyMap<string, ColumnType> | undefined> {
  const rows = await database.query<{ name: string | null; type: string | null }>(
    `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') ORDER BY a.attnum`,
    [schema, table],
    { isKept: true },
  );
  if (rows.length === 0) return undefined;
  const own: readonly string[] = [...metadataColumns, ...validityColumns];
  return new Map(
    rows.flatMap(({ name, type }) =>
      name === null || type === null || own.includes(name) ? [] : [[name, columnType(type)] as const],
    ),
  );
}

/** The loader's type for one of PostgreSQL's by its full name; text for those that it does not know. */
export function columnType(formatted: string): ColumnType {
  switch (formatted) {
    case 'timestamp without time zone':
      return 'timestamp';
    case 'timestamp with time zone':
      return 'timestamptz';
    case 'time without time zone':
      return 'time';
    case 'integer':
    case 'smallint':
      return 'bigint';
    case 'real':
      return 'double precision';
    default:
      return isColumnType(formatted) ? formatted : 'text';
  }
}

const TYPES = new Set(['boolean', 'bigint', 'double precision', 'numeric', 'text', 'date', 'jsonb', 'uuid', 'bytea']);

function isColumnType(name: string): name is ColumnType {
  return TYPES.has(name) || /^numeric\(\d+,\d+\)$/.test(name);
}

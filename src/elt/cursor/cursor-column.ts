import type { ColumnType, CursorConfig } from '../../model/project.js';
import { identifier } from '../../model/sql-identifier.js';

const COMPARABLE: Readonly<Record<CursorConfig['type'], readonly string[]>> = {
  timestamp: ['timestamptz', 'timestamp', 'date'],
  integer: ['bigint', 'numeric'],
};

/** SQL type that holds every value of a cursor in its order. */
export const CURSOR_SQL_TYPE: Readonly<Record<CursorConfig['type'], string>> = {
  timestamp: 'timestamptz',
  integer: 'numeric',
};

/** The cursor of a row as SQL that can be compared; undefined where the table has no such column, or one of texts. */
export function cursorColumn(
  cursor: CursorConfig | undefined,
  columns: ReadonlyMap<string, ColumnType>,
  prefix: string,
): string | undefined {
  const type = cursor === undefined ? undefined : columns.get(cursor.field);
  if (cursor === undefined || type === undefined || !COMPARABLE[cursor.type].includes(type)) return undefined;
  return `${prefix}${identifier(cursor.field)}::${CURSOR_SQL_TYPE[cursor.type]}`;
}

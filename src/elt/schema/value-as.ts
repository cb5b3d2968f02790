import type { ColumnType } from '../../model/project.js';

/** A value in SQL as another type. PostgreSQL's own cast from a double to a numeric keeps 15 digits; its text has all of them. */
export function valueAs(value: string, to: ColumnType, from: ColumnType | undefined): string {
  return from === 'double precision' && to.startsWith('numeric') ? `${value}::text::${to}` : `${value}::${to}`;
}

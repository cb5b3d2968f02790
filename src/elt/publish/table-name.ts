import { qualified } from '../../model/sql-identifier.js';

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** `"schema"."name"`, ready for a statement. */
export function sqlName(table: TableName): string {
  return qualified(table.schema, table.name);
}

/** `schema.name`, as a message shows it. */
export function shownName(table: TableName): string {
  return `${table.schema}.${table.name}`;
}

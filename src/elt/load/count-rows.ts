import type { Queryable } from '../../model/database.js';
import { qualified } from '../../model/sql-identifier.js';
import type { StageName } from './stage-table.js';

/** All rows that a table has now. Reads it whole. */
export async function countRows(database: Queryable, { schema, name }: StageName): Promise<number> {
  const [counted] = await database.query<{ rows: number }>(
    `SELECT count(*)::float8 AS rows FROM ${qualified(schema, name)}`,
  );
  return counted!.rows;
}

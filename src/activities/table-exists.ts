import type { Queryable } from '../model/database.js';
import { childTables } from '../model/child-tables.js';
import type { ResourceConfig } from '../model/project.js';
import { qualified } from '../model/sql-identifier.js';

export async function tableExists(database: Queryable, schema: string, name: string): Promise<boolean> {
  const [row] = await database.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [
    qualified(schema, name),
  ]);
  return row!.found;
}

export async function hasNoRelations(database: Queryable, schema: string): Promise<boolean> {
  const some = await database.query(
    'SELECT FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) LIMIT 1',
    [schema],
  );
  return some.length === 0;
}

/** Whether a resource's table and all of its child tables are there. */
export async function resourceExists(
  database: Queryable,
  schema: string,
  resource: Pick<ResourceConfig, 'table' | 'children'>,
): Promise<boolean> {
  for (const { table } of [resource, ...childTables(resource)])
    if (!(await tableExists(database, schema, table))) return false;
  return true;
}

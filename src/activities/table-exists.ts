import type { Queryable } from '../model/database.js';
import { otherSource } from '../elt/load/other-source.js';
import { childTables } from '../model/child-tables.js';
import type { Project, ResourceConfig } from '../model/project.js';
import { qualified } from '../model/sql-identifier.js';

export async function tableExists(database: Queryable, schema: string, name: string): Promise<boolean> {
  const [row] = await database.query<{ found: boolean }>(
    'SELECT to_regclass($1) IS NOT NULL AS found',
    [qualified(schema, name)],
    { isKept: true },
  );
  return row!.found;
}

export async function hasNoRelations(database: Queryable, schema: string): Promise<boolean> {
  const some = await database.query(
    'SELECT FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) LIMIT 1',
    [schema],
    { isKept: true },
  );
  return some.length === 0;
}

/**
 * Whether a resource's table and all of its child tables are there, the table made by no other source meanwhile, and the child tables since its
 * newest load: what was loaded while one of them was no child table has no rows there.
 */
export async function resourceExists(
  database: Queryable,
  { env, name, schemas: { raw } }: Pick<Project, 'env' | 'name' | 'schemas'>,
  resource: Pick<ResourceConfig, 'id' | 'table' | 'children'>,
): Promise<boolean> {
  const children = childTables(resource);
  for (const { table } of [resource, ...children]) if (!(await tableExists(database, raw, table))) return false;
  const key = { env, project: name, resource: resource.id };
  if ((await otherSource(database, key, { schema: raw, name: resource.table })) !== undefined) return false;
  if (children.length === 0) return true;
  const [newest] = await database.query<{ targets: string[] }>(
    `SELECT coalesce(jsonb_path_query_array(reader, '$.children[*].target'), '[]') AS targets FROM plumbline.loads
     WHERE env = $1 AND project = $2 AND resource = $3 AND status = 'published' ORDER BY load_id DESC LIMIT 1`,
    [env, name, resource.id],
  );
  return children.every(({ table }) => newest?.targets.includes(table) === true);
}

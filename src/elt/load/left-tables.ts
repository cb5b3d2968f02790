import type { Queryable } from '../../model/database.js';
import type { Project } from '../../model/project.js';

/** Tables of sources that the project no longer has, or has under another name, one sentence each; nothing loads or drops them. */
export async function leftTables(
  database: Queryable,
  { env, name, resources, schemas }: Pick<Project, 'env' | 'name' | 'resources' | 'schemas'>,
): Promise<string[]> {
  const left = await database.query<{ resource: string; table: string }>(
    `SELECT resource, format('%s.%s', table_schema, table_name) AS "table"
     FROM plumbline.resource_versions JOIN plumbline.resources USING (env, project, resource, version)
     WHERE env = $1 AND project = $2 AND resource <> ALL($3::text[])
       AND NOT (table_schema = $4 AND table_name = ANY($5::text[]))
       AND to_regclass(format('%I.%I', table_schema, table_name)) IS NOT NULL
     ORDER BY resource`,
    [env, name, resources.map(({ id }) => id), schemas.raw, resources.map(({ table }) => table)],
  );
  return left.map(
    ({ resource, table }) =>
      `${table} is left from ${resource}, which is no source any more: nothing loads it. Drop it once nobody reads it.`,
  );
}

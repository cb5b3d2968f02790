import type { Queryable } from '../../model/database.js';
import type { ResourceKey } from './claim-publication.js';
import type { StageName } from './stage-table.js';

/** The resource of the project that made a table what it is, where that is another one: it had, or has got, the table's name. */
export async function otherSource(
  database: Queryable,
  { env, project, resource }: ResourceKey,
  { schema, name }: StageName,
): Promise<string | undefined> {
  const [other] = await database.query<{ resource: string }>(
    `SELECT resource FROM plumbline.resources JOIN plumbline.resource_versions AS o USING (env, project, resource, version)
     WHERE env = $1 AND project = $2 AND resource <> $3 AND (o.table_schema, o.table_name) = ($4, $5)
       AND o.published_at > coalesce(
         (SELECT max(published_at) FROM plumbline.resources JOIN plumbline.resource_versions USING (env, project, resource, version)
          WHERE env = $1 AND project = $2 AND resource = $3), '-infinity')
     ORDER BY o.published_at DESC LIMIT 1`,
    [env, project, resource, schema, name],
    { isKept: true },
  );
  return other?.resource;
}

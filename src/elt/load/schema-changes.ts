import type { Queryable } from '../../model/database.js';
import type { TypeChange } from './claim-publication.js';

/** What the newest publication of each resource changed of its table's columns, one sentence each; empty where none did. */
export async function newestSchemaChanges(
  database: Queryable,
  { env, project }: { readonly env: string; readonly project: string },
): Promise<string[]> {
  const changes = await database.query<{
    resource: string;
    added: readonly string[];
    types: readonly TypeChange[];
    at: string;
  }>(
    `SELECT resource, columns_added AS added, types_changed AS types, date_trunc('second', published_at)::text AS at
     FROM plumbline.resource_versions JOIN plumbline.resources USING (env, project, resource, version)
     WHERE env = $1 AND project = $2 AND (columns_added <> '{}' OR types_changed <> '[]') ORDER BY resource`,
    [env, project],
  );
  return changes.map(({ resource, added, types, at }) => {
    const parts = [
      ...added.map((column) => `new column ${column}`),
      ...types.map(({ column, from, to }) => `column ${column} is ${to}, it was ${from}`),
    ];
    return `${resource}: ${parts.join('; ')} (${at})`;
  });
}

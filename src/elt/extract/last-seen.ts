import type { Queryable } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';

/** What the newest extract of a resource saw at its server, for a plan: asks no server. Of an archive, its members. */
export async function lastSeen(
  database: Queryable,
  of: { readonly env: string; readonly project: string; readonly resource: ResourceConfig },
): Promise<{ path: string; sha256: string }[]> {
  const seen = await database.query<{ path: string; sha256: string }>(
    `SELECT path, sha256 FROM (SELECT path, sha256, seen_at, max(seen_at) OVER () AS newest FROM plumbline.raw_objects
       WHERE env = $1 AND project = $2 AND resource = $3 AND path ~* '^(s3|https?)://') AS seen
     WHERE seen_at = newest ORDER BY path COLLATE "C"`,
    [of.env, of.project, of.resource.id],
  );
  const archives = new Set(
    seen.flatMap(({ path }) => [...path.matchAll(/!/g)].map(({ index }) => path.slice(0, index))),
  );
  return seen.filter(({ path }) => !archives.has(path.replace(/^(https?:[^?#]*).*$/i, '$1')));
}

import type { Queryable } from '../../model/database.js';

/**
 * Which of the objects other projects or environments work with as they are: for them they stay. One that has forgotten the key works
 * with what the object was rewritten to. Object → its holders, as `project (env)`.
 */
export async function heldByOthers(
  database: Queryable,
  { env, name }: { readonly env: string; readonly name: string },
  objects: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await database.query<{ sha256: string; holders: string }>(
    `SELECT held.sha256, string_agg(DISTINCT held.project || ' (' || held.env || ')', ', ') AS holders FROM (
       SELECT sha256, env, project FROM plumbline.raw_objects WHERE sha256 = ANY($1)
       UNION ALL SELECT sha256, env, project FROM plumbline.inventory WHERE sha256 = ANY($1)
       UNION ALL SELECT p.sha256, e.env, e.project FROM plumbline.raw_pages p JOIN plumbline.extracts e USING (extract_id) WHERE p.sha256 = ANY($1)
       -- Also one that was replaced: a model may have been made from it. What nobody needs is gc's to find.
       UNION ALL SELECT sha256, env, project FROM plumbline.loads WHERE sha256 = ANY($1)
       UNION ALL SELECT b.sha256, l.env, l.project FROM plumbline.batch_objects b JOIN plumbline.loads l ON l.sha256 = b.list_sha256 WHERE b.sha256 = ANY($1)
       UNION ALL SELECT t.file_sha256, l.env, l.project FROM plumbline.reject_retries t JOIN plumbline.loads l USING (load_id) WHERE t.file_sha256 = ANY($1)
     ) AS held (sha256, env, project)
     WHERE (held.env, held.project) <> ($2, $3)
       AND NOT EXISTS (SELECT FROM plumbline.redactions r WHERE (r.env, r.project, r.sha256) = (held.env, held.project, held.sha256))
     GROUP BY held.sha256
     UNION ALL SELECT replacement, string_agg(DISTINCT project || ' (' || env || ')', ', ') FROM plumbline.redactions
     WHERE replacement = ANY($1) AND (env, project) <> ($2, $3) GROUP BY replacement`,
    [objects, env, name],
  );
  return new Map(rows.map(({ sha256, holders }) => [sha256, holders]));
}

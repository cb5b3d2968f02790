import type { Erasure } from './erase-place.js';
import { keyHashSql } from './key-hash.js';

/**
 * Which of the objects another project or environment works with too and has not been asked to forget the key: those are theirs as
 * much, and are left. Object → its holders, as `project (env)`.
 */
export async function heldByOthers(
  { database, project, spellings }: Pick<Erasure, 'database' | 'project' | 'spellings'>,
  objects: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await database.query<{ sha256: string; holders: string }>(
    // Objects that were rewritten to the same are one.
    `WITH asked (object, sha256) AS (
       SELECT one, one FROM unnest($1::text[]) AS one
       UNION SELECT a.sha256, b.sha256 FROM plumbline.redactions a JOIN plumbline.redactions b USING (replacement) WHERE a.sha256 = ANY($1)
       UNION SELECT sha256, replacement FROM plumbline.redactions WHERE sha256 = ANY($1)
       UNION SELECT replacement, sha256 FROM plumbline.redactions WHERE replacement = ANY($1))
     SELECT asked.object AS sha256, string_agg(DISTINCT held.project || ' (' || held.env || ')', ', ') AS holders FROM asked JOIN (
       SELECT sha256, env, project FROM plumbline.raw_objects
       UNION ALL SELECT sha256, env, project FROM plumbline.inventory
       UNION ALL SELECT p.sha256, e.env, e.project FROM plumbline.raw_pages p JOIN plumbline.extracts e USING (extract_id)
       UNION ALL SELECT sha256, env, project FROM plumbline.loads WHERE status IN ('loading', 'staged', 'published')
       UNION ALL SELECT b.sha256, l.env, l.project FROM plumbline.batch_objects b JOIN plumbline.loads l ON l.sha256 = b.list_sha256
         WHERE l.status IN ('loading', 'staged', 'published')
       UNION ALL SELECT result #>> '{trainingSet,artifact,sha256}', env, project FROM plumbline.step_results WHERE step LIKE 'features:%'
     ) AS held (sha256, env, project) USING (sha256)
     WHERE (held.env, held.project) <> ($2, $3)
       AND NOT EXISTS (SELECT FROM plumbline.erasure_salts s JOIN plumbline.erasures e USING (env, project), unnest($4::text[]) AS key (value)
         WHERE (s.env, s.project) = (held.env, held.project) AND NOT e.dry_run AND e.key_hash = ${keyHashSql('s.salt', 'key.value')})
     GROUP BY asked.object`,
    [objects, project.env, project.name, spellings],
  );
  return new Map(rows.map(({ sha256, holders }) => [sha256, holders]));
}

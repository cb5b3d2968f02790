import type { Queryable } from '../model/database.js';
import { isReplacedSql } from '../model/is-replaced-sql.js';

/** Wherever a column holds hashes in JSON: a hash that is no object's does no harm. */
export const HASH = `'[0-9a-f]{64}'`;

/**
 * Fills, for the rest of the transaction, `lineage` with the outcomes of steps that a registered model version of any project was made
 * from, `lineage_objects` with the hashes in them and what earlier loads brought into tables that rows are added to, and `active_objects` with the objects that loads have in a table, or are about to.
 * A batch of an inventory counts with its objects.
 */
export async function listLineage(session: Queryable): Promise<void> {
  await session.execute(
    `CREATE TEMPORARY TABLE lineage ON COMMIT DROP AS
     WITH RECURSIVE made_from (env, project, step, fingerprint) AS (
       SELECT s.env, s.project, s.step, s.fingerprint
       FROM plumbline.model_versions v JOIN plumbline.step_results s ON (s.env, s.project) = (v.env, v.project)
       WHERE s.run_id = v.run_id
         OR (s.step LIKE 'features:%' AND s.result #>> '{trainingSet,artifact,sha256}' = v.training_set_sha256)
         OR (s.step LIKE 'train:%' AND position(v.onnx IN s.result::text) > 0)
       UNION
       SELECT n.env, n.project, n.step, n.fingerprint
       FROM made_from m
       JOIN plumbline.step_results s ON (s.env, s.project, s.step, s.fingerprint) = (m.env, m.project, m.step, m.fingerprint)
       CROSS JOIN LATERAL jsonb_each_text(s.inputs) AS input (name, version)
       JOIN plumbline.step_results n ON (n.env, n.project) = (m.env, m.project) AND n.result ->> 'version' = input.version
         AND n.step = CASE WHEN input.name LIKE 'source %' THEN 'load:' || substr(input.name, 8)
                           WHEN input.name LIKE 'ref %' THEN 'transform:' || substr(input.name, 5) END)
     SELECT m.*, s.run_id, s.created_at FROM made_from m
     JOIN plumbline.step_results s ON (s.env, s.project, s.step, s.fingerprint) = (m.env, m.project, m.step, m.fingerprint)`,
  );
  await session.execute('CREATE INDEX ON lineage (env, project, step, created_at); ANALYZE lineage');
  await session.execute(
    `CREATE TEMPORARY TABLE lineage_objects ON COMMIT DROP AS
     SELECT DISTINCT m.env, m.project, hash[1] AS sha256
     FROM lineage m JOIN plumbline.step_results s ON (s.env, s.project, s.step, s.fingerprint) = (m.env, m.project, m.step, m.fingerprint)
     CROSS JOIN LATERAL regexp_matches(s.inputs::text || s.result::text, ${HASH}, 'g') AS hash
     -- Rows that had made way when a model was made first were not there for later ones either.
     UNION SELECT l.env, l.project, l.sha256
     FROM plumbline.loads l
     JOIN plumbline.resource_versions v ON (v.env, v.project, v.resource, v.published_at) = (l.env, l.project, l.resource, l.published_at)
     CROSS JOIN LATERAL (SELECT min(m.created_at) AS at FROM lineage m
       WHERE (m.env, m.project, m.step) = (l.env, l.project, 'load:' || l.resource) AND m.created_at >= l.published_at) AS used
     WHERE used.at IS NOT NULL AND (v.write = 'merge' OR (v.write = 'append' AND (l.status = 'published' OR NOT ${isReplacedSql('used.at')})))`,
  );
  await session.execute(
    `CREATE TEMPORARY TABLE active_objects ON COMMIT DROP AS
     SELECT env, project, sha256 FROM plumbline.loads WHERE status IN ('loading', 'staged', 'published')
     UNION SELECT env, project, sha256 FROM plumbline.inventory WHERE sha256 IS NOT NULL`,
  );
  for (const table of ['lineage_objects', 'active_objects']) {
    await session.execute(
      `INSERT INTO ${table} SELECT t.env, t.project, b.sha256 FROM ${table} t JOIN plumbline.batch_objects b ON b.list_sha256 = t.sha256
       EXCEPT SELECT env, project, sha256 FROM ${table}`,
    );
    await session.execute(`ANALYZE ${table}`);
  }
}

import type { Queryable } from '../model/database.js';
import { HASH } from './list-lineage.js';

/** Why an object is kept, the strongest reason first; the first that holds is the one that is told. */
export const REASONS = ['model', 'lineage', 'load', 'extract', 'run', 'code'] as const;
export type Reason = (typeof REASONS)[number];

/** Where hashes of objects are recorded, of every project and environment. Each column of that kind has to be here. */
const REFERENCES: readonly { readonly reason: Reason; readonly select: string }[] = [
  {
    reason: 'model',
    select: `SELECT v.env, v.project, hash[1] FROM plumbline.model_versions v CROSS JOIN LATERAL
      regexp_matches(concat_ws(' ', v.onnx, v.training_set_sha256, v.training_set, v.parity, v.signature, v.metrics), ${HASH}, 'g') AS hash`,
  },
  {
    reason: 'model',
    select:
      'SELECT v.env, v.project, unnest(b.artifact || b.other_artifacts) FROM plumbline.bundles b JOIN plumbline.model_versions v ON v.bundle = b.digest',
  },
  { reason: 'lineage', select: 'SELECT env, project, sha256 FROM lineage_objects' },
  { reason: 'load', select: 'SELECT env, project, sha256 FROM active_objects' },
  {
    reason: 'load',
    select: `SELECT l.env, l.project, r.file_sha256 FROM plumbline.reject_retries r JOIN plumbline.loads l USING (load_id)
      WHERE r.file_sha256 IS NOT NULL`,
  },
  { reason: 'extract', select: 'SELECT env, project, sha256 FROM plumbline.raw_objects' },
  {
    reason: 'extract',
    select: `SELECT e.env, e.project, p.sha256 FROM plumbline.raw_pages p JOIN plumbline.extracts e USING (extract_id)
      WHERE p.sha256 IS NOT NULL`,
  },
  {
    reason: 'run',
    select: `SELECT s.env, s.project, hash[1] FROM plumbline.step_results s CROSS JOIN LATERAL
      regexp_matches(concat_ws(' ', s.inputs, s.result), ${HASH}, 'g') AS hash`,
  },
  {
    reason: 'run',
    select: `SELECT r.env, r.project, hash[1] FROM plumbline.run_steps s JOIN plumbline.runs r USING (run_id) CROSS JOIN LATERAL
      regexp_matches(concat_ws(' ', s.progress, s.result), ${HASH}, 'g') AS hash`,
  },
  {
    reason: 'run',
    select: `SELECT r.env, r.project, hash[1] FROM plumbline.runs r CROSS JOIN LATERAL
      regexp_matches(concat_ws(' ', r.options, r.result), ${HASH}, 'g') AS hash`,
  },
  { reason: 'code', select: 'SELECT NULL, project, unnest(artifact || other_artifacts) FROM plumbline.bundles' },
];

/**
 * Records under `collectionId` every object that something refers to, with the strongest reason. One statement, so one view of the
 * database: a reference that moves from one record to another is seen in one of them. Of a raw object without the rows that a project
 * forgot, the project's references keep that, and the object as it was fetched stays only while another project refers to it.
 */
export async function markObjects(session: Queryable, collectionId: string): Promise<void> {
  const all = REFERENCES.map(
    ({
      reason,
      select,
    }) => `SELECT found.env, found.project, found.sha256, '${reason}' AS reason, ${REASONS.indexOf(reason)} AS rank
       FROM (${select}) AS found (env, project, sha256)`,
  ).join('\nUNION ALL\n');
  await session.execute(
    `INSERT INTO plumbline.marks (collection_id, sha256, reason)
     WITH recorded AS MATERIALIZED (${all}),
       -- The list of a batch names objects that its record has one by one.
       reference AS (SELECT * FROM recorded
         UNION ALL SELECT o.env, o.project, b.sha256, o.reason, o.rank FROM recorded o JOIN plumbline.batch_objects b ON b.list_sha256 = o.sha256),
       kept AS (SELECT CASE WHEN r.sha256 IS NULL THEN o.sha256 ELSE r.replacement END AS sha256, o.reason, o.rank
         FROM reference o LEFT JOIN plumbline.redactions r ON (r.env, r.project, r.sha256) = (o.env, o.project, o.sha256))
     SELECT DISTINCT ON (sha256) $1, sha256, reason FROM kept WHERE sha256 IS NOT NULL ORDER BY sha256, rank`,
    [collectionId],
  );
}

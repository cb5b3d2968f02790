import type { Queryable } from '../model/database.js';
import { HASH } from './list-lineage.js';

/** Why an object is kept, the strongest reason first; the first that holds is the one that is told. */
export const REASONS = ['model', 'lineage', 'load', 'extract', 'run', 'code'] as const;
export type Reason = (typeof REASONS)[number];

/** Where hashes of objects are recorded, of every project and environment. Each column of that kind has to be here. */
const REFERENCES: readonly { readonly reason: Reason; readonly select: string }[] = [
  {
    reason: 'model',
    select: `SELECT hash[1] FROM plumbline.model_versions v CROSS JOIN LATERAL
      regexp_matches(concat_ws(' ', v.onnx, v.training_set_sha256, v.training_set, v.parity, v.signature, v.metrics), ${HASH}, 'g') AS hash`,
  },
  {
    reason: 'model',
    select: 'SELECT b.artifact FROM plumbline.bundles b JOIN plumbline.model_versions v ON v.bundle = b.digest',
  },
  { reason: 'lineage', select: 'SELECT sha256 FROM lineage_objects' },
  { reason: 'load', select: 'SELECT sha256 FROM active_objects' },
  {
    reason: 'load',
    select: 'SELECT file_sha256 FROM plumbline.reject_retries WHERE file_sha256 IS NOT NULL',
  },
  { reason: 'extract', select: 'SELECT sha256 FROM plumbline.raw_objects' },
  { reason: 'extract', select: 'SELECT sha256 FROM plumbline.raw_pages WHERE sha256 IS NOT NULL' },
  {
    reason: 'run',
    select: `SELECT hash[1] FROM plumbline.step_results s CROSS JOIN LATERAL
      regexp_matches(concat_ws(' ', s.inputs, s.result), ${HASH}, 'g') AS hash`,
  },
  {
    reason: 'run',
    select: `SELECT hash[1] FROM plumbline.run_steps s CROSS JOIN LATERAL
      regexp_matches(concat_ws(' ', s.progress, s.result), ${HASH}, 'g') AS hash`,
  },
  {
    reason: 'run',
    select: `SELECT hash[1] FROM plumbline.runs r CROSS JOIN LATERAL
      regexp_matches(concat_ws(' ', r.options, r.result), ${HASH}, 'g') AS hash`,
  },
  { reason: 'code', select: 'SELECT artifact FROM plumbline.bundles' },
];

/**
 * Records under `collectionId` every object that something refers to, with the strongest reason. One statement, so one view of the
 * database: a reference that moves from one record to another is seen in one of them.
 */
export async function markObjects(session: Queryable, collectionId: string): Promise<void> {
  const all = REFERENCES.map(
    ({ reason, select }) => `SELECT found.sha256, '${reason}' AS reason, ${REASONS.indexOf(reason)} AS rank
       FROM (${select}) AS found (sha256)`,
  ).join('\nUNION ALL\n');
  await session.execute(
    `INSERT INTO plumbline.marks (collection_id, sha256, reason)
     SELECT DISTINCT ON (sha256) $1, sha256, reason FROM (${all}) AS reference ORDER BY sha256, rank`,
    [collectionId],
  );
  // The list of a batch names objects that its record has one by one.
  await session.execute(
    `INSERT INTO plumbline.marks (collection_id, sha256, reason)
     SELECT DISTINCT ON (b.sha256) $1, b.sha256, m.reason
     FROM plumbline.batch_objects b JOIN plumbline.marks m ON m.collection_id = $1 AND m.sha256 = b.list_sha256
     ORDER BY b.sha256 ON CONFLICT DO NOTHING`,
    [collectionId],
  );
  // What was rewritten without a forgotten person's rows is kept in the place of what it was made from, which is never kept.
  await session.execute(
    `INSERT INTO plumbline.marks (collection_id, sha256, reason)
     SELECT DISTINCT ON (r.replacement) $1, r.replacement, m.reason
     FROM plumbline.redactions r JOIN plumbline.marks m ON m.collection_id = $1 AND m.sha256 = r.sha256
     ORDER BY r.replacement ON CONFLICT DO NOTHING`,
    [collectionId],
  );
  await session.execute(
    `DELETE FROM plumbline.marks m USING plumbline.redactions r WHERE m.collection_id = $1 AND m.sha256 = r.sha256`,
    [collectionId],
  );
}

import { TransientError } from '../../errors.js';
import type { Queryable } from '../../model/database.js';
import type { Erasure } from './erase-place.js';

/**
 * From now on the project gets the replacement whenever it asks for the object, or for another one that was rewritten to the same; with
 * null it finds nothing, and fetches the object again. The rows count as forgotten when the object is loaded anew. Throws
 * `FORGET_OBJECT_CHANGED` (transient) when something else stands for the object by now.
 */
export async function redirectObject(
  session: Queryable,
  { store, project, erasureId }: Pick<Erasure, 'store' | 'project' | 'erasureId'>,
  object: {
    readonly sha256: string;
    /** What stood for it when it was rewritten. */
    readonly name: string;
    readonly replacement: string | null;
    readonly rows: number;
  },
): Promise<void> {
  const { sha256, name, replacement, rows } = object;
  const own = [project.env, project.name];
  await session.execute(`SELECT pg_advisory_xact_lock(hashtext('plumbline.redactions'))`);
  const lines = await session.query<{ sha256: string; replacement: string | null; rows: number }>(
    `SELECT sha256, replacement, rows_taken_out::float8 AS rows FROM plumbline.redactions
     WHERE env = $1 AND project = $2 AND sha256 IN ($3, $4)`,
    [...own, sha256, replacement],
  );
  const now = lines.find((line) => line.sha256 === sha256);
  // The same bytes were rewritten for another key already; where what they became is gone, they are new.
  let further = lines.find((line) => line.sha256 === replacement);
  if (further?.replacement != null && !(await store.has(further.replacement))) {
    await session.execute('DELETE FROM plumbline.redactions WHERE env = $1 AND project = $2 AND sha256 = $3', [...own, replacement]); // prettier-ignore
    further = undefined;
  }
  if ((now === undefined ? sha256 : now.replacement) !== name)
    throw new TransientError(
      'FORGET_OBJECT_CHANGED',
      `Rewriting raw object ${sha256} was given up: something else stands for it by now.`,
      { details: { sha256 }, next: 'It is tried again, with what is there now.' },
    );
  const target = further === undefined ? replacement : further.replacement;
  const changed = await session.query<{ sha256: string }>(
    `INSERT INTO plumbline.redactions AS former (env, project, sha256, replacement, rows_taken_out, erasure_id)
     SELECT $1, $2, one.sha256, $5, $6::bigint, $7 FROM (SELECT unnest(ARRAY[$3, $4]) UNION
       SELECT sha256 FROM plumbline.redactions WHERE env = $1 AND project = $2 AND replacement = $4) AS one (sha256)
     ON CONFLICT (env, project, sha256) DO UPDATE SET replacement = excluded.replacement,
       rows_taken_out = former.rows_taken_out + excluded.rows_taken_out, erasure_id = excluded.erasure_id, at = now()
     RETURNING sha256`,
    [...own, sha256, name, target, rows + (further?.rows ?? 0), erasureId],
  );
  await giveUpLoads(session, own, changed.map((one) => one.sha256)); // prettier-ignore
}

/** A load that stopped in the middle counts the rows of the object as it was: the next run begins it anew. */
async function giveUpLoads(session: Queryable, own: readonly string[], objects: readonly string[]): Promise<void> {
  await session.execute(
    `UPDATE plumbline.loads SET status = 'failed', stage_table = NULL, token = token + 1,
       error = '{"code": "ELT_LOAD_FENCED", "message": "rows of its object were forgotten"}'
     WHERE status = 'loading' AND env = $1 AND project = $2
       AND (sha256 = ANY($3) OR sha256 IN (SELECT list_sha256 FROM plumbline.batch_objects WHERE sha256 = ANY($3)))`,
    [...own, objects],
  );
}

import type { Session } from '../model/database.js';

/** One line of a spool file. */
export interface PredictionLine {
  readonly prediction_id: string;
  readonly env: string;
  readonly project: string;
  readonly model: string;
  readonly version: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly prediction: number;
  readonly warnings?: unknown;
}

/** Bytes of a spool that PostgreSQL has. */
export async function copiedBytes(session: Pick<Session, 'query'>, spool: string): Promise<number> {
  const [row] = await session.query<{ bytes: string }>(`SELECT bytes FROM plumbline.spool_offsets WHERE spool = $1`, [
    spool,
  ]);
  return Number(row?.bytes ?? 0);
}

/**
 * Inserts lines and moves the spool's offset from `from` to `to`, within the caller's transaction. Gives false, and inserts
 * nothing, when the offset is not `from` any more: another process copied them.
 *
 * @param lines a JSON array's text: the spool's lines joined by commas
 */
export async function copyPredictions(
  session: Session,
  batch: { readonly spool: string; readonly from: number; readonly to: number; readonly lines: string },
): Promise<boolean> {
  const moved =
    batch.from === 0
      ? await session.execute(
          `INSERT INTO plumbline.spool_offsets (spool, bytes) VALUES ($1, $2)
           ON CONFLICT (spool) DO UPDATE SET bytes = excluded.bytes, updated_at = now() WHERE spool_offsets.bytes = 0`,
          [batch.spool, batch.to],
        )
      : await session.execute(
          `UPDATE plumbline.spool_offsets SET bytes = $2, updated_at = now() WHERE spool = $1 AND bytes = $3`,
          [batch.spool, batch.to, batch.from],
        );
  if (moved !== 1) return false;
  if (batch.lines === '[]') return true;
  await session.execute(
    `INSERT INTO plumbline.predictions (prediction_id, env, project, model, version, at, inputs, prediction, warnings)
     SELECT prediction_id, env, project, model, version, at, inputs, prediction, warnings
     FROM jsonb_to_recordset($1::jsonb) AS line (prediction_id uuid, env text, project text, model text, version integer,
       at timestamptz, inputs jsonb, prediction double precision, warnings jsonb)`,
    [batch.lines],
  );
  return true;
}

/** Forgets a spool whose file is gone. */
export async function forgetSpool(session: Pick<Session, 'execute'>, spool: string): Promise<void> {
  await session.execute(`DELETE FROM plumbline.spool_offsets WHERE spool = $1`, [spool]);
}

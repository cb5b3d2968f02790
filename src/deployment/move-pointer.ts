import { failpoint } from '../failpoint.js';
import type { Session } from '../model/database.js';
import { insertDecision } from './decisions.js';
import type { ModelKey, ServingPointer } from './model-version.js';

export interface PointerMove {
  readonly key: ModelKey;
  readonly version: number;
  /** Epoch the mover saw; 0 when nothing served. */
  readonly expectedEpoch: number;
  readonly previousVersion: number | undefined;
  readonly kind: 'promote' | 'rollback';
  readonly who: string;
  readonly reason: string;
  readonly runId?: string;
}

/**
 * Compare-and-set of the serving pointer with its history line and its decision, within the caller's transaction.
 * Gives the new epoch, or undefined when somebody else moved the pointer since `expectedEpoch`; then nothing is written.
 */
export async function movePointer(session: Session, move: PointerMove): Promise<ServingPointer | undefined> {
  const { env, project, model } = move.key;
  const epoch = move.expectedEpoch + 1;
  const changed =
    move.expectedEpoch === 0
      ? await session.execute(
          `INSERT INTO plumbline.serving_pointer (env, project, model, version, epoch) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (env, project, model) DO NOTHING`,
          [env, project, model, move.version, epoch],
        )
      : await session.execute(
          `UPDATE plumbline.serving_pointer SET version = $4, epoch = $5, changed_at = clock_timestamp()
           WHERE env = $1 AND project = $2 AND model = $3 AND epoch = $6`,
          [env, project, model, move.version, epoch, move.expectedEpoch],
        );
  if (changed !== 1) return undefined;
  const decision = await insertDecision(session, {
    ...move.key,
    version: move.version,
    kind: move.kind,
    who: move.who,
    reason: move.reason,
    ...(move.runId === undefined ? {} : { runId: move.runId }),
  });
  await session.execute(
    `INSERT INTO plumbline.pointer_history (env, project, model, epoch, version, previous_version, kind, who, reason, run_id, decision)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      env,
      project,
      model,
      epoch,
      move.version,
      move.previousVersion ?? null,
      move.kind,
      move.who,
      move.reason,
      move.runId ?? null,
      decision.id,
    ],
  );
  await failpoint('promote.before-commit');
  return { version: move.version, epoch };
}

import type { Database, Queryable } from '../model/database.js';
import { readHeldBack, type HeldBack } from './held-back.js';
import type { ModelKey, ModelVersion } from './model-version.js';
import { movePointer } from './move-pointer.js';
import { readPointer, readVersion } from './read-versions.js';

export type Promotion =
  /** `changed` is false when the version serves already, e.g. by an earlier attempt of the same activity. */
  | {
      readonly kind: 'promoted';
      readonly version: number;
      readonly epoch: number;
      readonly changed: boolean;
      readonly previousVersion?: number;
    }
  /** Somebody else moved the pointer since `expectedEpoch`; nothing was changed. */
  | { readonly kind: 'superseded'; readonly version: number; readonly epoch: number }
  /** `by` rolled `version` back and nobody brought it back since; nothing was changed, `epoch` is the pointer's. */
  | { readonly kind: 'held_back'; readonly version: number; readonly epoch: number; readonly by: HeldBack };

/**
 * Makes a version the one that serves: one transaction, compare-and-set on the pointer's epoch, with decision and history.
 * Idempotent for the same run and version.
 *
 * @param options.expectedEpoch epoch the rollout saw at its start (0: nothing served); without it the pointer as it is now
 * @throws TerminalError `DEPLOY_MODEL_UNKNOWN`
 */
export async function promote(options: {
  readonly database: Database;
  readonly env: string;
  readonly project: string;
  readonly model: string;
  readonly version: number;
  readonly expectedEpoch?: number;
  readonly who: string;
  readonly reason: string;
  readonly runId?: string;
  /** Nobody asked for this version: one that was rolled back stays back. @default false */
  readonly automatic?: boolean;
  /** Throws when the version must not serve; nothing is changed then. */
  readonly verify?: (version: ModelVersion) => Promise<void>;
}): Promise<Promotion> {
  const { database, env, project, model, version, who, reason, runId } = options;
  const key = { env, project, model };
  const target = await readVersion(database, key, version);
  await options.verify?.(target);
  return database.transaction(async (session) => {
    const pointer = await readPointer(session, key);
    const epoch = pointer?.epoch ?? 0;
    const expectedEpoch = options.expectedEpoch ?? epoch;
    const own = runId === undefined ? undefined : await epochOf(session, key, version, runId);
    // An earlier attempt of this run did it; a rollback that came since then must not be undone by the retry.
    if (own !== undefined && own !== epoch) return { kind: 'superseded', version: pointer?.version ?? 0, epoch };
    if (pointer?.version === version && (own === epoch || expectedEpoch === epoch))
      return { kind: 'promoted', version, epoch, changed: false };
    // Read after the pointer: a rollback that comes later moves the epoch and supersedes.
    const by = options.automatic === true ? await readHeldBack(session, key, version) : undefined;
    if (by !== undefined) return { kind: 'held_back', version, epoch, by };
    const moved = await movePointer(session, {
      key,
      version,
      expectedEpoch,
      previousVersion: pointer?.version,
      kind: 'promote',
      who,
      reason,
      ...(runId === undefined ? {} : { runId }),
    });
    if (moved === undefined) {
      const now = await readPointer(session, key);
      return { kind: 'superseded', version: now?.version ?? 0, epoch: now?.epoch ?? 0 };
    }
    return {
      kind: 'promoted',
      ...moved,
      changed: true,
      ...(pointer === undefined ? {} : { previousVersion: pointer.version }),
    };
  });
}

/** Epoch at which the run promoted the version, if it did. */
async function epochOf(
  database: Queryable,
  key: ModelKey,
  version: number,
  runId: string,
): Promise<number | undefined> {
  const [row] = await database.query<{ epoch: string }>(
    `SELECT epoch FROM plumbline.pointer_history
     WHERE env = $1 AND project = $2 AND model = $3 AND version = $4 AND run_id = $5 AND kind = 'promote'
     ORDER BY epoch DESC LIMIT 1`,
    [key.env, key.project, key.model, version, runId],
  );
  return row && Number(row.epoch);
}

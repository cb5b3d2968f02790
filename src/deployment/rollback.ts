import { TerminalError, TransientError } from '../errors.js';
import type { Database, Queryable } from '../model/database.js';
import type { ModelKey, ModelVersion } from './model-version.js';
import { movePointer } from './move-pointer.js';
import { readPointer, readVersion, unknownModel } from './read-versions.js';

export interface Rollback {
  readonly version: number;
  readonly epoch: number;
  readonly previousVersion: number;
  /** False when the version asked for serves already. */
  readonly changed: boolean;
}

/**
 * Goes back to `to`, or to the version that served before the current one was promoted. Needs PostgreSQL only: it works with
 * Temporal and every worker down. A rollout in progress sees the new epoch and ends as superseded.
 *
 * @throws TerminalError `DEPLOY_NO_ROLLBACK`, `DEPLOY_MODEL_UNKNOWN`; TransientError `PG_BUSY` when the pointer keeps moving
 */
export async function rollback(options: {
  readonly database: Database;
  readonly env: string;
  readonly project: string;
  readonly model: string;
  readonly to?: number;
  readonly who: string;
  readonly reason: string;
  /** Throws when the version must not serve; nothing is changed then. */
  readonly verify?: (version: ModelVersion) => Promise<void>;
}): Promise<Rollback> {
  const { database, env, project, model, who, reason } = options;
  const key = { env, project, model };
  for (let attempt = 0; attempt < 5; attempt++) {
    const result = await database.transaction(async (session) => {
      const pointer = await readPointer(session, key);
      if (pointer === undefined) throw await nothingServes(session, key);
      const version = options.to ?? (await versionBefore(session, key, pointer.version));
      const target = await readVersion(session, key, version);
      if (version === pointer.version) return { ...pointer, previousVersion: pointer.version, changed: false };
      await options.verify?.(target);
      const moved = await movePointer(session, {
        key,
        version,
        expectedEpoch: pointer.epoch,
        previousVersion: pointer.version,
        kind: 'rollback',
        who,
        reason,
      });
      return moved && { ...moved, previousVersion: pointer.version, changed: true };
    });
    if (result !== undefined) return result;
  }
  throw new TransientError(
    'PG_BUSY',
    `Rolling back ${model} in ${env} failed: the serving pointer was moved by somebody else five times in a row.`,
    { details: { ...key } },
  );
}

/** The version that `version` replaced when it was last promoted, so that a second rollback goes one step further back. */
async function versionBefore(database: Queryable, key: ModelKey, version: number): Promise<number> {
  const [row] = await database.query<{ previous_version: number | null }>(
    `SELECT previous_version FROM plumbline.pointer_history
     WHERE env = $1 AND project = $2 AND model = $3 AND version = $4 AND kind = 'promote'
     ORDER BY epoch DESC LIMIT 1`,
    [key.env, key.project, key.model, version],
  );
  if (row?.previous_version == null) {
    throw new TerminalError(
      'DEPLOY_NO_ROLLBACK',
      `Rolling back ${key.model} in ${key.env} failed: v${version} serves and nothing served before it.`,
      {
        details: { ...key, version },
        next: `Name a version: \`plumbline models rollback ${key.model} --to <version>\`.`,
      },
    );
  }
  return row.previous_version;
}

async function nothingServes(database: Queryable, key: ModelKey): Promise<TerminalError> {
  const registered = await database.query(
    `SELECT 1 FROM plumbline.model_versions WHERE env = $1 AND project = $2 AND model = $3 LIMIT 1`,
    [key.env, key.project, key.model],
  );
  if (registered.length === 0) return unknownModel(database, key);
  return new TerminalError(
    'DEPLOY_NO_ROLLBACK',
    `Rolling back ${key.model} in ${key.env} failed: no version of it serves yet.`,
    { details: { ...key }, next: 'Approve or run the deployment first.' },
  );
}

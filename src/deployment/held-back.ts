import type { Queryable } from '../model/database.js';
import { readDecision } from './decisions.js';
import type { ModelKey } from './model-version.js';

export interface HeldBack {
  readonly who: string;
  readonly reason: string;
}

/**
 * The rollback that took a version out of service and that nobody has taken back since, by promoting or approving it
 * anew. Undefined for a version that may go live by itself.
 */
export async function readHeldBack(database: Queryable, key: ModelKey, version: number): Promise<HeldBack | undefined> {
  const { env, project, model } = key;
  const [row] = await database.query<HeldBack>(
    `SELECT who, reason FROM plumbline.pointer_history AS h
     WHERE env = $1 AND project = $2 AND model = $3 AND kind = 'rollback' AND previous_version = $4
       AND NOT EXISTS (SELECT FROM plumbline.pointer_history AS later
                       WHERE (later.env, later.project, later.model, later.version) = ($1, $2, $3, $4) AND later.epoch > h.epoch)
     ORDER BY epoch DESC LIMIT 1`,
    [env, project, model, version],
  );
  if (row === undefined) return undefined;
  const since = await readDecision({ database, key, version });
  return since === undefined || since.kind === 'reject' ? row : undefined;
}

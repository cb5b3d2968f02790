import type { Queryable } from '../model/database.js';
import type { ModelKey } from './model-version.js';

export interface PointerChange {
  readonly epoch: number;
  readonly version: number;
  readonly previousVersion?: number;
  readonly kind: 'promote' | 'rollback';
  readonly who: string;
  readonly reason: string;
  readonly runId?: string;
  /** ISO 8601, UTC. */
  readonly at: string;
}

/** Every change of what serves, newest first. */
export async function readPointerHistory(database: Queryable, key: ModelKey): Promise<PointerChange[]> {
  const rows = await database.query<{
    epoch: string;
    version: number;
    previous_version: number | null;
    kind: PointerChange['kind'];
    who: string;
    reason: string;
    run_id: string | null;
    at: string;
  }>(
    `SELECT epoch, version, previous_version, kind, who, reason, run_id, at FROM plumbline.pointer_history
     WHERE env = $1 AND project = $2 AND model = $3 ORDER BY epoch DESC`,
    [key.env, key.project, key.model],
  );
  return rows.map((row) => ({
    epoch: Number(row.epoch),
    version: row.version,
    kind: row.kind,
    who: row.who,
    reason: row.reason,
    at: new Date(row.at).toISOString(),
    ...(row.previous_version === null ? {} : { previousVersion: row.previous_version }),
    ...(row.run_id === null ? {} : { runId: row.run_id }),
  }));
}

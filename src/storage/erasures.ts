import { createHash } from 'node:crypto';
import type { Database, Queryable } from '../model/database.js';

export interface ErasureRow {
  readonly erasure_id: string;
  readonly key_name: string;
  readonly key_hash: string;
  readonly reason: string | null;
  readonly requested_by: string;
  readonly requested_at: string;
  readonly ended_at: string | null;
  /** Rows deleted, of all places. */
  readonly rows: number;
}

/** Records that a key is to be forgotten; from then on loads take its rows out. The value stays in clear until that is done. */
export async function recordErasure(
  database: Database,
  erasure: {
    readonly erasureId: string;
    readonly env: string;
    readonly project: string;
    readonly key: string;
    readonly value: string;
    readonly dryRun: boolean;
    readonly reason?: string;
    readonly requestedBy: string;
  },
): Promise<void> {
  const { erasureId, env, project, key, value, dryRun, reason, requestedBy } = erasure;
  await database.transaction(async (session) => {
    await session.execute('INSERT INTO plumbline.erasure_salts (env, project) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
      env,
      project,
    ]);
    const [row] = await session.query<{ salt: string }>(
      'SELECT salt FROM plumbline.erasure_salts WHERE env = $1 AND project = $2',
      [env, project],
    );
    await session.execute(
      `INSERT INTO plumbline.erasures (erasure_id, env, project, key_name, key_hash, value, dry_run, reason, requested_by)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [erasureId, env, project, key, hashOf(row!.salt, value), value, dryRun, reason ?? null, requestedBy],
    );
  });
}

export function listErasures(database: Database, env: string, project: string): Promise<ErasureRow[]> {
  return database.query<ErasureRow>(
    `SELECT e.erasure_id, e.key_name, e.key_hash, e.reason, e.requested_by, e.requested_at, e.ended_at,
       coalesce((SELECT sum(d.row_count) FROM plumbline.erased d WHERE d.erasure_id = e.erasure_id), 0)::float8 AS rows
     FROM plumbline.erasures e WHERE e.env = $1 AND e.project = $2 AND NOT e.dry_run ORDER BY e.requested_at DESC`,
    [env, project],
  );
}

/** Which erasures have taken rows out of which table since it was made: `schema.table` → erasures with their numbers of rows, in one order. */
export async function erasuresByTable(
  database: Queryable,
  env: string,
  project: string,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = await database.query<{ place: string; erasures: string[] }>(
    `SELECT d.place, array_agg(d.erasure_id || ' ' || d.row_count ORDER BY d.erasure_id) AS erasures
     FROM plumbline.erased d JOIN plumbline.erasures e USING (erasure_id)
     WHERE e.env = $1 AND e.project = $2 AND NOT e.dry_run AND d.kind = 'table' AND d.row_count > 0 GROUP BY d.place`,
    [env, project],
  );
  return new Map(rows.map(({ place, erasures }) => [place, erasures]));
}

/** As loads compute it of what comes. */
function hashOf(salt: string, value: string): string {
  return createHash('sha256').update(`${salt}${value}`).digest('hex');
}

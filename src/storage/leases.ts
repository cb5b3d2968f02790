import type { Database, Queryable } from '../model/database.js';
import { closeRunRow } from './close-run.js';

export interface LeaseKey {
  readonly env: string;
  readonly project: string;
  readonly scope: string;
}

export type LeaseAttempt =
  /** `takenFrom`: the run that held it last and did not give it back. */
  | { readonly held: true; readonly takenFrom?: string }
  | { readonly held: false; readonly holder: string; readonly expiresAt: string }
  /** The run that asks is closed already. */
  | { readonly held: false; readonly isOver: true };

/** The holder of a lease that has run out: what it left open may be in the way of whoever takes over. Waits for nobody. */
export async function expiredHolder(database: Queryable, key: LeaseKey): Promise<string | undefined> {
  const [row] = await database.query<{ holder: string }>(
    `SELECT holder FROM plumbline.leases
     WHERE env = $1 AND project = $2 AND scope = $3 AND holder <> '' AND expires_at < clock_timestamp()`,
    [key.env, key.project, key.scope],
  );
  return row?.holder;
}

/**
 * Takes a lease that its last holder gave back, which is how nearly every run finds it, in one round trip. Waits for nobody: false when
 * the lease is somebody's, or not there, or the holder's run is closed, or a row of these is locked just now; `takeLease` then tells.
 */
export async function takeFreeLease(
  database: Queryable,
  key: LeaseKey,
  holder: string,
  ttlSeconds: number,
): Promise<boolean> {
  const taken = await database.execute(
    // The run's row is locked, so that it cannot be closed, and its lease given back, before this is committed.
    `WITH run AS (SELECT FROM plumbline.runs WHERE run_id = $4 AND status = 'running' FOR SHARE SKIP LOCKED),
       free AS (SELECT env, project, scope FROM plumbline.leases
         WHERE env = $1 AND project = $2 AND scope = $3 AND holder = '' AND EXISTS (SELECT FROM run)
         FOR UPDATE SKIP LOCKED)
     UPDATE plumbline.leases AS l SET holder = $4, previous_holder = '', token = token + 1,
       expires_at = clock_timestamp() + make_interval(secs => $5)
     FROM free WHERE (l.env, l.project, l.scope) = (free.env, free.project, free.scope)`,
    [key.env, key.project, key.scope, holder, ttlSeconds],
    { isKept: true },
  );
  return taken === 1;
}

/**
 * Takes the lease when it is free, expired or one's own; else says who has it. Compare-and-set by PostgreSQL's row lock,
 * for which it does not wait longer than 2 s (`PG_BUSY`, transient).
 */
export async function takeLease(
  database: Database,
  key: LeaseKey,
  holder: string,
  ttlSeconds: number,
): Promise<LeaseAttempt> {
  const settings = { lockTimeoutMs: 2_000 };
  return database.transaction(async (session) => {
    // Locked, so that the run cannot be closed, and its lease given back, before this is committed.
    const [run] = await session.query<{ status: string }>(
      'SELECT status FROM plumbline.runs WHERE run_id = $1 FOR SHARE',
      [holder],
    );
    if (run !== undefined && run.status !== 'running') return { held: false, isOver: true };
    const row = (await lockLease(session, key)) ?? (await addLease(session, key));
    if (row.holder !== holder && !row.expired) return { held: false, holder: row.holder, expiresAt: row.expires_at };
    // Whoever asks again as the holder may have died before it ended what its predecessor left open.
    const previous = row.holder === holder ? row.previous_holder : row.holder;
    await session.execute(
      `UPDATE plumbline.leases
       SET holder = $4, previous_holder = $6, token = token + CASE WHEN holder = $4 THEN 0 ELSE 1 END,
           expires_at = clock_timestamp() + make_interval(secs => $5)
       WHERE env = $1 AND project = $2 AND scope = $3`,
      [key.env, key.project, key.scope, holder, ttlSeconds, previous],
    );
    if (previous === '') return { held: true };
    await closeRunRow(session, previous, 'failed', {
      code: 'RUN_LEASE_LOST',
      message: `Run ${previous} ended without closing itself; run ${holder} took over.`,
    });
    return { held: true, takenFrom: previous };
  }, settings);
}

interface LeaseRow {
  readonly holder: string;
  readonly previous_holder: string;
  readonly expires_at: string;
  readonly expired: boolean;
}

async function lockLease(session: Queryable, key: LeaseKey): Promise<LeaseRow | undefined> {
  const [row] = await session.query<LeaseRow>(
    `SELECT holder, previous_holder, expires_at, expires_at < clock_timestamp() AS expired FROM plumbline.leases
     WHERE env = $1 AND project = $2 AND scope = $3 FOR UPDATE`,
    [key.env, key.project, key.scope],
  );
  return row;
}

async function addLease(session: Queryable, key: LeaseKey): Promise<LeaseRow> {
  await session.execute(
    `INSERT INTO plumbline.leases (env, project, scope, holder, token, expires_at) VALUES ($1, $2, $3, '', 0, '-infinity')
     ON CONFLICT DO NOTHING`,
    [key.env, key.project, key.scope],
  );
  return (await lockLease(session, key))!;
}

/**
 * Inside a transaction that writes what readers see: whether `holder` still holds the lease, which nobody can then take
 * before the transaction ends.
 */
export async function holdsLease(database: Queryable, key: LeaseKey, holder: string): Promise<boolean> {
  const rows = await database.query(
    `SELECT 1 FROM plumbline.leases WHERE env = $1 AND project = $2 AND scope = $3 AND holder = $4 FOR KEY SHARE`,
    [key.env, key.project, key.scope, holder],
  );
  return rows.length === 1;
}

/** Moves the expiry on; false when somebody else holds the lease by now. */
export async function renewLease(
  database: Queryable,
  key: LeaseKey,
  holder: string,
  ttlSeconds: number,
): Promise<boolean> {
  const touched = await database.execute(
    `UPDATE plumbline.leases SET expires_at = clock_timestamp() + make_interval(secs => $5)
     WHERE env = $1 AND project = $2 AND scope = $3 AND holder = $4`,
    [key.env, key.project, key.scope, holder, ttlSeconds],
    { isKept: true },
  );
  return touched === 1;
}

export async function releaseLease(database: Queryable, key: LeaseKey, holder: string): Promise<void> {
  await database.execute(
    `UPDATE plumbline.leases SET expires_at = '-infinity', holder = '', previous_holder = '' WHERE env = $1 AND project = $2 AND scope = $3 AND holder = $4`,
    [key.env, key.project, key.scope, holder],
    { isKept: true },
  );
}

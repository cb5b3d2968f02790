import { setTimeout as sleep } from 'node:timers/promises';
import type { Queryable } from '../../model/database.js';

export interface RateLimit {
  readonly database: Queryable;
  readonly env: string;
  readonly project: string;
  readonly source: string;
  /** Least time between two requests; 0 for none. */
  readonly intervalMs: number;
}

/**
 * Waits until the source may be asked: takes the next free moment, which no other worker or run gets. Moments lie
 * `intervalMs` apart by PostgreSQL's clock, so no window ever holds more than the rate. A moment taken by a worker
 * that dies is lost, and so is one that lies in a hold which began later: another one is taken behind it.
 */
export async function waitForTurn(limit: RateLimit, signal?: AbortSignal): Promise<void> {
  for (;;) {
    const waitMs = await takeTurn(limit);
    if (waitMs <= 0) return;
    await sleep(Math.ceil(waitMs), undefined, signal === undefined ? {} : { signal });
    if (!(await isHeld(limit))) return;
  }
}

/** @returns how long to wait for it */
async function takeTurn({ database, env, project, source, intervalMs }: RateLimit): Promise<number> {
  const [turn] = await database.query<{ waitMs: number }>(
    `INSERT INTO plumbline.rate_limits AS r (env, project, source, next_at)
     VALUES ($1, $2, $3, clock_timestamp() + $4 * interval '1 ms')
     ON CONFLICT (env, project, source) DO UPDATE
       SET next_at = greatest(r.next_at, clock_timestamp()) + $4 * interval '1 ms'
     RETURNING (extract(epoch FROM next_at - clock_timestamp()) * 1000 - $4)::float8 AS "waitMs"`,
    [env, project, source, intervalMs],
  );
  return turn?.waitMs ?? 0;
}

async function isHeld({ database, env, project, source }: RateLimit): Promise<boolean> {
  const held = await database.query(
    'SELECT FROM plumbline.rate_limits WHERE env = $1 AND project = $2 AND source = $3 AND held_until > clock_timestamp()',
    [env, project, source],
  );
  return held.length > 0;
}

/** Lets nobody ask the source for a while, as its Retry-After says. */
export async function holdOff({ database, env, project, source }: RateLimit, waitMs: number): Promise<void> {
  await database.execute(
    `INSERT INTO plumbline.rate_limits AS r (env, project, source, next_at, held_until)
     SELECT $1, $2, $3, until, until FROM (SELECT clock_timestamp() + $4 * interval '1 ms' AS until) AS hold
     ON CONFLICT (env, project, source) DO UPDATE
       SET next_at = greatest(r.next_at, excluded.next_at), held_until = greatest(r.held_until, excluded.held_until)`,
    [env, project, source, waitMs],
  );
}

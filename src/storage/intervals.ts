import type { Queryable } from '../model/database.js';
import type { DataInterval } from '../model/data-interval.js';
import { jsonb } from '../model/jsonb.js';
import type { IntervalRecord, Skip } from '../model/plan-intervals.js';

export interface IntervalKey {
  readonly env: string;
  readonly project: string;
  readonly interval: Pick<DataInterval, 'start' | 'end'>;
  /** Of which part of the elt stage, as `partName` has it; empty: of all of it. */
  readonly part: string;
}

/**
 * Marks the interval as the run's. False when another run has done it and not `again.done`, or somebody skipped it and
 * not `again.skipped`; what is done or skipped as a whole is so for a part too. Compare-and-set by PostgreSQL's row lock; called by the run that holds the project's lease, so that
 * what looks like running is not.
 */
export async function claimInterval(
  database: Queryable,
  { env, project, interval, part }: IntervalKey,
  runId: string,
  again: { readonly done: boolean; readonly skipped: boolean },
): Promise<boolean> {
  const touched = await database.execute(
    `INSERT INTO plumbline.intervals AS i (env, project, start_at, end_at, state, run_id, part)
     SELECT $1, $2, $3::timestamptz, $4::timestamptz, 'running', $5, $8
     WHERE $8 = '' OR NOT EXISTS (SELECT FROM plumbline.intervals
       WHERE env = $1 AND project = $2 AND start_at = $3 AND end_at = $4 AND part = ''
         AND (state = 'done' AND NOT $6 OR state = 'skipped' AND NOT $7))
     ON CONFLICT (env, project, start_at, end_at, part) DO UPDATE
       SET state = 'running', run_id = excluded.run_id, ended_at = NULL,
           claims = i.claims + CASE WHEN i.run_id = excluded.run_id THEN 0 ELSE 1 END,
           claimed_at = CASE WHEN i.run_id = excluded.run_id THEN i.claimed_at ELSE clock_timestamp() END,
           skipped_by = NULL, skip_reason = NULL, skipped_at = NULL
       WHERE i.run_id = excluded.run_id OR CASE i.state WHEN 'done' THEN $6 WHEN 'skipped' THEN $7 ELSE true END`,
    [env, project, interval.start, interval.end, runId, again.done, again.skipped, part],
  );
  return touched === 1;
}

/**
 * In the transaction that closes the run, once its row is: its interval is done when every step of the elt stage is,
 * whatever became of later stages; where it had none to do, when it went well. Without effect for a run without an interval.
 */
export async function settleInterval(database: Queryable, runId: string): Promise<void> {
  await database.execute(
    `UPDATE plumbline.intervals SET ended_at = clock_timestamp(), state = CASE WHEN
       (EXISTS (SELECT FROM plumbline.run_steps WHERE run_id = $1 AND stage = 'elt')
         OR EXISTS (SELECT FROM plumbline.runs WHERE run_id = $1 AND status = 'succeeded'))
       AND NOT EXISTS (SELECT FROM plumbline.run_steps
         WHERE run_id = $1 AND stage = 'elt' AND status NOT IN ('succeeded', 'reused')) THEN 'done' ELSE 'failed' END
     WHERE run_id = $1 AND state = 'running'`,
    [runId],
    { isKept: true },
  );
}

/** Intervals that meet the range, in order; for a part, also what is done or skipped as a whole. One whose run is over without having closed itself is failed. */
export async function listIntervals(
  database: Queryable,
  { env, project, part }: Omit<IntervalKey, 'interval'>,
  range: { readonly from: number; readonly until: number },
): Promise<IntervalRecord[]> {
  return database.query<IntervalRecord>(
    `SELECT extract(epoch FROM start_at)::float8 * 1000 AS start, extract(epoch FROM end_at)::float8 * 1000 AS end,
       CASE WHEN i.state = 'running' AND r.status IS DISTINCT FROM 'running' THEN 'failed' ELSE i.state END AS state,
       run_id AS "runId", extract(epoch FROM coalesce(skipped_at, claimed_at))::float8 * 1000 AS "takenAt",
       CASE WHEN i.state = 'skipped' THEN jsonb_build_object('by', skipped_by, 'reason', skip_reason) END AS skip
     FROM plumbline.intervals i LEFT JOIN plumbline.runs r USING (run_id)
     WHERE i.env = $1 AND i.project = $2 AND end_at > to_timestamp($3 / 1000.0) AND start_at < to_timestamp($4 / 1000.0)
       AND (i.part = $5 OR i.part = '' AND i.state IN ('done', 'skipped'))
     ORDER BY start_at, end_at, i.part`,
    [env, project, range.from, range.until, part],
  );
}

/** In a transaction: nobody takes, skips or ends an interval until its end. Readers go on. */
export async function lockIntervals(session: Queryable): Promise<void> {
  await session.execute('LOCK TABLE plumbline.intervals IN SHARE ROW EXCLUSIVE MODE');
}

/** Marks intervals as given up, whatever they were. */
export async function saveSkips(
  session: Queryable,
  { env, project }: Pick<IntervalKey, 'env' | 'project'>,
  intervals: readonly Pick<DataInterval, 'start' | 'end'>[],
  { by, reason }: Skip,
): Promise<void> {
  await session.execute(
    `INSERT INTO plumbline.intervals (env, project, start_at, end_at, state, claims, skipped_by, skip_reason, skipped_at)
     SELECT $1, $2, s.start, s."end", 'skipped', 0, $4, $5, clock_timestamp()
     FROM jsonb_to_recordset($3) AS s(start timestamptz, "end" timestamptz)
     ON CONFLICT (env, project, start_at, end_at, part) DO UPDATE
       SET state = excluded.state, skipped_by = excluded.skipped_by, skip_reason = excluded.skip_reason,
           skipped_at = excluded.skipped_at`,
    [env, project, jsonb(intervals.map(({ start, end }) => ({ start, end }))), by, reason],
  );
}

/** Takes skips of the range back: what a run failed on has failed again, the rest is missing. Gives how many there were. */
export async function deleteSkips(
  session: Queryable,
  { env, project }: Pick<IntervalKey, 'env' | 'project'>,
  range: { readonly from: number; readonly until: number },
): Promise<number> {
  const key = [env, project, range.from, range.until];
  const inside = `env = $1 AND project = $2 AND state = 'skipped'
    AND start_at >= to_timestamp($3 / 1000.0) AND end_at <= to_timestamp($4 / 1000.0)`;
  const gone = await session.execute(`DELETE FROM plumbline.intervals WHERE ${inside} AND run_id IS NULL`, key);
  return gone + (await session.execute(
    `UPDATE plumbline.intervals SET state = 'failed', skipped_by = NULL, skip_reason = NULL, skipped_at = NULL WHERE ${inside}`,
    key,
  )); // prettier-ignore
}

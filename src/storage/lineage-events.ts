import type { Queryable } from '../model/database.js';
import { jsonb } from '../model/jsonb.js';
import { outbox } from './outbox.js';

/** A run, or a step of it, of which somebody is to be told that it began or ended. */
export interface Untold {
  /** '' is the run itself. */
  readonly step: string;
  readonly phase: 'start' | 'end';
  /** ISO time at which it happened. */
  readonly at: string;
  readonly status: string;
  readonly result: Readonly<Record<string, unknown>> | null;
  readonly error: { readonly message?: string; readonly code?: string } | null;
}

export interface UntoldRun {
  readonly runId: string;
  readonly env: string;
  readonly project: string;
  readonly bundle: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly status: 'running' | 'succeeded' | 'failed' | 'cancelled';
  readonly untold: readonly Untold[];
}

/**
 * Runs of the last three days with what is not told of them yet. A step is told of when it works, so not when it is reused;
 * one that failed, when its run is over: until then it may be tried again. Parts of steps are not told of.
 */
export async function listUntold(database: Queryable, limit: number): Promise<UntoldRun[]> {
  return database.query<UntoldRun>(
    `WITH recent AS (SELECT * FROM plumbline.runs WHERE started_at > now() - interval '3 days'),
     happened AS (
       SELECT run_id, '' AS step, 'start' AS phase, started_at AS at, status, NULL::jsonb AS result, NULL::jsonb AS error, 0 AS place FROM recent
       UNION ALL SELECT run_id, '', 'end', ended_at, status, NULL, error, 3 FROM recent WHERE status <> 'running'
       UNION ALL SELECT run_id, step, 'start', s.started_at, s.status, NULL, NULL, 1 FROM recent JOIN plumbline.run_steps s USING (run_id)
         WHERE s.started_at IS NOT NULL AND s.status IN ('running', 'succeeded', 'failed') AND step !~ '^extract:|#'
       UNION ALL SELECT run_id, step, 'end', s.ended_at, s.status, s.result, s.error, 2 FROM recent r JOIN plumbline.run_steps s USING (run_id)
         WHERE s.started_at IS NOT NULL AND step !~ '^extract:|#' AND s.ended_at IS NOT NULL
           AND (s.status = 'succeeded' OR s.status = 'failed' AND r.status <> 'running'
             OR s.status = 'reused' AND EXISTS (SELECT FROM plumbline.lineage_events e WHERE (e.run_id, e.step) = (r.run_id, s.step)))
     )
     SELECT run_id AS "runId", r.env, r.project, r.bundle, r.options, r.status,
       jsonb_agg(jsonb_build_object('step', h.step, 'phase', h.phase, 'status', h.status, 'result', h.result, 'error', h.error,
         'at', to_char(h.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) ORDER BY h.at, h.place) AS untold
     FROM recent r JOIN happened h USING (run_id)
     WHERE NOT EXISTS (SELECT FROM plumbline.lineage_events e WHERE (e.run_id, e.step, e.phase) = (h.run_id, h.step, h.phase))
     GROUP BY run_id, r.env, r.project, r.bundle, r.options, r.status, r.started_at ORDER BY r.started_at LIMIT $1`,
    [limit],
  );
}

/** Keeps events until they are sent; one that somebody else has made meanwhile stays as it is. */
export async function addLineageEvents(
  database: Queryable,
  runId: string,
  events: readonly { readonly step: string; readonly phase: 'start' | 'end'; readonly event: unknown }[],
): Promise<void> {
  await database.execute(
    `INSERT INTO plumbline.lineage_events (run_id, step, phase, event)
     SELECT $1, step, phase, event FROM jsonb_to_recordset($2) AS e(step text, phase text, event jsonb)
     ON CONFLICT (run_id, step, phase) DO NOTHING`,
    [runId, jsonb(events)],
  );
}

export interface DueLineageEvent {
  readonly eventId: string;
  readonly event: unknown;
}

/** Takes the next event that is due, as `outbox` says. */
export async function takeLineageEvent(database: Queryable): Promise<DueLineageEvent | undefined> {
  const [row] = await database.query<DueLineageEvent>(
    `UPDATE plumbline.lineage_events SET ${outbox.take}
     WHERE event_id = (SELECT event_id FROM plumbline.lineage_events
       WHERE event IS NOT NULL AND ${outbox.isDue}
       ORDER BY next_try_at, event_id LIMIT 1 FOR UPDATE SKIP LOCKED)
     RETURNING event_id AS "eventId", event`,
  );
  return row;
}

export async function endLineageAttempt(
  database: Queryable,
  eventId: string,
  error: string | undefined,
): Promise<void> {
  await database.execute(
    error === undefined
      ? 'UPDATE plumbline.lineage_events SET event = NULL, error = $2 WHERE event_id = $1'
      : `UPDATE plumbline.lineage_events SET error = $2, ${outbox.later} WHERE event_id = $1 AND event IS NOT NULL`,
    [eventId, error ?? null],
  );
}

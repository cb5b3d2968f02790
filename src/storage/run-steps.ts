import { hideParameters, hideParametersIn } from '../hide-parameters.js';
import type { Queryable } from '../model/database.js';
import { jsonb } from '../model/jsonb.js';
import { connectionName } from './connection-name.js';
import type { LeaseKey } from './leases.js';

export type StepStatus = 'planned' | 'running' | 'succeeded' | 'reused' | 'failed' | 'skipped';

export interface StepRow {
  readonly step: string;
  readonly stage: string;
  readonly position: number;
  readonly status: StepStatus;
  readonly reason: string | null;
  readonly attempt: number;
  readonly progress: Readonly<Record<string, unknown>> | null;
  readonly result: Readonly<Record<string, unknown>> | null;
  readonly error: Readonly<Record<string, unknown>> | null;
  readonly started_at: string | null;
  readonly ended_at: string | null;
}

export async function planSteps(
  database: Queryable,
  runId: string,
  steps: readonly { readonly step: string; readonly stage: string }[],
): Promise<void> {
  await database.execute(
    `INSERT INTO plumbline.run_steps (run_id, step, stage, position, status)
     SELECT $1, step, stage, position, 'planned' FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS s(step, stage, position)
     ON CONFLICT (run_id, step) DO NOTHING`,
    [runId, steps.map((s) => s.step), steps.map((s) => s.stage)],
    { isKept: true },
  );
}

export interface StepAttempt {
  readonly runId: string;
  readonly step: string;
  readonly stage: string;
  /** When Temporal scheduled the attempt, in its milliseconds: says which of two is the later one. */
  readonly scheduledMs: number;
  /** Refuse the step of a run that is over. A deployment outlives its run. */
  readonly whileRunning: boolean;
}

/** What an attempt finds before it begins. */
export interface StepSurvey {
  /** Whether its run has the lease, whose expiry is moved on. */
  readonly holdsLease: boolean;
  /** When the attempt of the step that began last was scheduled, 0 where none has begun. */
  readonly scheduledMs: number;
  /** Whether another connection bears the name of an attempt of the step, be it one that is still beginning. */
  readonly isConnected: boolean;
}

/** Renews the lease of a run that is about to begin a step, and looks at the step; does not wait for the step's row. */
export async function surveyStep(
  database: Queryable,
  { runId, step }: Pick<StepAttempt, 'runId' | 'step'>,
  lease: LeaseKey,
  ttlSeconds: number,
): Promise<StepSurvey> {
  const [row] = await database.query<StepSurvey>(
    `WITH renewed AS (
       UPDATE plumbline.leases SET expires_at = clock_timestamp() + make_interval(secs => $7)
       WHERE env = $4 AND project = $5 AND scope = $6 AND holder = $1 RETURNING 1)
     SELECT EXISTS (SELECT FROM renewed) AS "holdsLease", coalesce(max(scheduled_ms), 0)::float8 AS "scheduledMs",
       EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
               AND starts_with(application_name, $3)) AS "isConnected"
     FROM plumbline.run_steps WHERE run_id = $1 AND step = $2`,
    [runId, step, `${connectionName(runId, step)}/`, lease.env, lease.project, lease.scope, ttlSeconds],
    { isKept: true },
  );
  return row!;
}

/**
 * Marks an attempt as the one that works; gives its number, which later writes must still hold. Undefined when a later
 * attempt has begun or the run is over: a worker that was frozen comes too late. Does not wait for a row longer than
 * 2 s (`PG_BUSY`, transient). One statement, in no transaction of the caller's: nobody can freeze with the row locked.
 */
export async function beginStep(database: Queryable, attempt: StepAttempt): Promise<number | undefined> {
  const [row] = await database.query<{ attempt: number }>(
    // That it waits no longer is settled before any row is locked: both locks come after what `waits` gives.
    `WITH waits AS (SELECT set_config('lock_timeout', '2s', true) AS at_most),
       run AS (SELECT FROM waits, plumbline.runs AS r
         WHERE at_most IS NOT NULL AND run_id = $1 AND status = 'running' FOR SHARE OF r)
     INSERT INTO plumbline.run_steps AS s (run_id, step, stage, position, status, attempt, scheduled_ms, started_at)
     SELECT $1, $2, $3, 1000, 'running', 1, $4::bigint, now() FROM waits WHERE NOT $5::boolean OR EXISTS (SELECT FROM run)
     ON CONFLICT (run_id, step) DO UPDATE
       SET status = 'running', attempt = s.attempt + 1, scheduled_ms = excluded.scheduled_ms,
           started_at = coalesce(s.started_at, now()), ended_at = NULL, error = NULL
       WHERE s.scheduled_ms <= excluded.scheduled_ms
     RETURNING attempt`,
    [attempt.runId, attempt.step, attempt.stage, attempt.scheduledMs, attempt.whileRunning],
    { isKept: true },
  );
  return row?.attempt;
}

/** What an attempt still has when it publishes. */
export interface StepHold {
  /** No other attempt has begun since: else what this one was doing is not its to finish. */
  readonly step: boolean;
  /** Its run has the lease. */
  readonly lease: boolean;
}

/**
 * Inside a transaction that writes what readers see: what the attempt has, nobody takes before the transaction ends. While it waits for the step's
 * row the lease may be given back, which it does not see; whoever then takes the lease it does see, as all who do lock the row FOR UPDATE first.
 */
export async function holdStep(
  session: Queryable,
  { runId, step, attempt }: Pick<StepAttempt, 'runId' | 'step'> & { readonly attempt: number },
  lease: LeaseKey,
): Promise<StepHold> {
  const [row] = await session.query<StepHold>(
    `SELECT EXISTS (SELECT FROM plumbline.run_steps
         WHERE run_id = $1 AND step = $2 AND attempt = $3 AND status = 'running' FOR UPDATE) AS step,
       EXISTS (SELECT FROM plumbline.leases
         WHERE env = $4 AND project = $5 AND scope = $6 AND holder = $1 FOR KEY SHARE) AS lease`,
    [runId, step, attempt, lease.env, lease.project, lease.scope],
    { isKept: true },
  );
  return row!;
}

export async function saveProgress(
  database: Queryable,
  runId: string,
  step: string,
  attempt: number,
  progress: unknown,
): Promise<void> {
  await database.execute(
    `UPDATE plumbline.run_steps SET progress = $4 WHERE run_id = $1 AND step = $2 AND attempt = $3 AND status = 'running'`,
    [runId, step, attempt, jsonb(progress)],
    { isKept: true },
  );
}

export async function endStep(
  database: Queryable,
  runId: string,
  step: string,
  attempt: number,
  end: { readonly status: StepStatus; readonly reason?: string; readonly result?: unknown; readonly error?: unknown },
): Promise<void> {
  await database.execute(
    `UPDATE plumbline.run_steps SET status = $4, reason = $5, result = $6, error = $7, ended_at = now(),
       failures = failures + CASE $4 WHEN 'failed' THEN 1 ELSE 0 END
     WHERE run_id = $1 AND step = $2 AND attempt = $3`,
    [runId, step, attempt, end.status, end.reason ?? null, jsonb(end.result), jsonb(end.error)],
    { isKept: true },
  );
}

/** How often attempts of the step have failed by themselves; a worker's death is no failure of the step. */
export async function countFailures(database: Queryable, runId: string, step: string): Promise<number> {
  const [row] = await database.query<{ failures: number }>(
    'SELECT failures FROM plumbline.run_steps WHERE run_id = $1 AND step = $2',
    [runId, step],
  );
  return row?.failures ?? 0;
}

/**
 * Steps that never came to run, once the run is over. A deployment that waits for its approval outlives a run that
 * succeeded: it goes on.
 *
 * @param skipped step that was not run → the failed step that it would have read
 */
export async function skipRest(
  database: Queryable,
  runId: string,
  succeeded: boolean,
  skipped: Readonly<Record<string, string>> = {},
): Promise<void> {
  await database.execute(
    `UPDATE plumbline.run_steps SET status = CASE status WHEN 'planned' THEN 'skipped' ELSE 'failed' END, ended_at = now(),
       reason = CASE status WHEN 'planned' THEN $3::jsonb->>step || ' failed' ELSE reason END
     WHERE run_id = $1 AND (status = 'planned' OR status = 'running' AND NOT ($2 AND stage = 'deployment'))`,
    [runId, succeeded, jsonb(skipped)],
    { isKept: true },
  );
}

export async function listSteps(database: Queryable, runId: string): Promise<StepRow[]> {
  const steps = await database.query<StepRow>(
    `SELECT step, stage, position, status, reason, attempt, progress, result, error, started_at, ended_at
     FROM plumbline.run_steps WHERE run_id = $1 ORDER BY position, started_at NULLS LAST, step`,
    [runId],
  );
  return steps.map((row) => ({ ...row, step: hideParameters(row.step), result: hideParametersIn(row.result) }));
}

/** Versions whose deployment has begun and not ended: the run that registered them offered them. */
export async function listOffered(
  database: Queryable,
  project: { readonly env: string; readonly project: string },
): Promise<{ readonly model: string; readonly version: number }[]> {
  return database.query(
    `SELECT DISTINCT registered.result->>'model' AS model, (registered.result->>'version')::integer AS version
     FROM plumbline.run_steps AS deployed
     JOIN plumbline.run_steps AS registered USING (run_id)
     JOIN plumbline.runs AS run USING (run_id)
     WHERE run.env = $1 AND run.project = $2 AND deployed.step = 'deploy' AND deployed.status = 'running'
       AND registered.step = 'register' AND registered.result IS NOT NULL`,
    [project.env, project.project],
  );
}

export interface OpenDeployment {
  readonly runId: string;
  readonly env: string;
  readonly project: string;
  readonly model: string;
  readonly version: number;
}

/** Deployments that have begun and not ended, of runs that are over. */
export async function listOpenDeployments(database: Queryable): Promise<OpenDeployment[]> {
  return database.query<OpenDeployment>(
    `SELECT run.run_id AS "runId", run.env, run.project, registered.result->>'model' AS model,
       (registered.result->>'version')::integer AS version
     FROM plumbline.run_steps AS deployed
     JOIN plumbline.run_steps AS registered USING (run_id)
     JOIN plumbline.runs AS run USING (run_id)
     WHERE run.status <> 'running' AND deployed.step = 'deploy' AND deployed.status = 'running'
       AND registered.step = 'register' AND registered.result IS NOT NULL
     ORDER BY deployed.started_at`,
  );
}

/** Without effect on a deployment that has ended by itself meanwhile. */
export async function failDeployStep(database: Queryable, runId: string, error: unknown): Promise<void> {
  await database.execute(
    `UPDATE plumbline.run_steps SET status = 'failed', error = $2, ended_at = now()
     WHERE run_id = $1 AND step = 'deploy' AND status = 'running'`,
    [runId, jsonb(error)],
  );
}

import type { Database, Queryable } from '../model/database.js';
import type { AlertsConfig } from '../model/project.js';
import { jsonb } from '../model/jsonb.js';

export interface RunRow {
  readonly run_id: string;
  readonly env: string;
  readonly project: string;
  readonly workflow_id: string;
  readonly stages: readonly string[];
  readonly bundle: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly retry_of: string | null;
  readonly status: 'running' | 'succeeded' | 'failed' | 'cancelled';
  readonly error: Readonly<Record<string, unknown>> | null;
  readonly result: Readonly<Record<string, unknown>> | null;
  readonly started_by: string;
  readonly started_at: string;
  readonly ended_at: string | null;
}

/**
 * Inserts the run, opened by the attempt that Temporal scheduled at `openedMs`; the same run id again changes nothing.
 * Gives whether it is new: no other attempt has opened it, and no earlier one can from now on. A later one can, and then has
 * to end the connection over which this was called.
 */
export async function insertRun(
  database: Queryable,
  run: Pick<
    RunRow,
    'run_id' | 'env' | 'project' | 'workflow_id' | 'stages' | 'bundle' | 'options' | 'retry_of' | 'started_by'
  >,
  openedMs = 0,
): Promise<boolean> {
  const inserted = await database.execute(
    `INSERT INTO plumbline.runs (run_id, env, project, workflow_id, stages, bundle, options, retry_of, status, started_by, opened_ms)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'running', $9, $10) ON CONFLICT (run_id) DO NOTHING`,
    [
      run.run_id,
      run.env,
      run.project,
      run.workflow_id,
      run.stages,
      run.bundle,
      run.options,
      run.retry_of,
      run.started_by,
      openedMs,
    ],
    { isKept: true },
  );
  return inserted === 1;
}

/** False when a later attempt at opening the run was scheduled and has begun, or the run is over. */
export async function claimOpening(database: Queryable, runId: string, scheduledMs: number): Promise<boolean> {
  const touched = await database.execute(
    `UPDATE plumbline.runs SET opened_ms = $2 WHERE run_id = $1 AND status = 'running' AND opened_ms <= $2`,
    [runId, scheduledMs],
  );
  return touched === 1;
}

/** Whom to tell of a run that ends badly, whoever closes it. */
export async function saveRunAlerts(database: Queryable, runId: string, alerts: AlertsConfig): Promise<void> {
  await database.execute('UPDATE plumbline.runs SET alerts = $2 WHERE run_id = $1', [runId, jsonb(alerts)]);
}

/** Before the cancellation itself: a run that ends as cancelled without it was cancelled by somebody else. */
export async function markCancelled(database: Queryable, runId: string, who: string): Promise<void> {
  await database.execute(`UPDATE plumbline.runs SET cancelled_by = $2 WHERE run_id = $1 AND status = 'running'`, [
    runId,
    who,
  ]);
}

/** The same for the run in progress of a backfill or a schedule: `startedBy` is `backfill`, or `schedule` and its name. */
export async function markChildCancelled(
  database: Queryable,
  { env, project }: Pick<RunRow, 'env' | 'project'>,
  startedBy: string,
  who: string,
): Promise<void> {
  await database.execute(
    `UPDATE plumbline.runs SET cancelled_by = $4
     WHERE env = $1 AND project = $2 AND status = 'running' AND (started_by = $3 OR starts_with(started_by, $3 || ' '))`,
    [env, project, startedBy, who],
  );
}

/** Runs that `startedBy` started and that ended badly, in their order; not those that turned out not to be needed. */
export async function failedRunsBy(
  database: Queryable,
  { env, project }: Pick<RunRow, 'env' | 'project'>,
  startedBy: string,
): Promise<Pick<RunRow, 'run_id' | 'options'>[]> {
  return database.query(
    `SELECT run_id, options FROM plumbline.runs
     WHERE env = $1 AND project = $2 AND started_by = $3 AND status IN ('failed', 'cancelled')
       AND error->>'code' IS DISTINCT FROM 'RUN_INTERVAL_DONE'
     ORDER BY started_at, run_id`,
    [env, project, startedBy],
  );
}

/** False of a run that found its interval done: it failed, and nothing is wrong. */
export async function wasNeeded(database: Queryable, runId: string): Promise<boolean> {
  const rows = await database.query(
    `SELECT 1 FROM plumbline.runs WHERE run_id = $1 AND error->>'code' IS DISTINCT FROM 'RUN_INTERVAL_DONE'`,
    [runId],
  );
  return rows.length > 0;
}

export interface SilentRun {
  readonly runId: string;
  readonly workflowId: string;
}

/** Runs in progress that do not hold a lease: they wait, their worker is away, or they were ended from outside. */
export async function listSilentRuns(database: Queryable): Promise<SilentRun[]> {
  return database.query<SilentRun>(
    `SELECT run_id AS "runId", workflow_id AS "workflowId" FROM plumbline.runs r
     WHERE status = 'running' AND NOT EXISTS (
       SELECT FROM plumbline.leases l WHERE (l.env, l.project, l.holder) = (r.env, r.project, r.run_id) AND l.expires_at > clock_timestamp())
     ORDER BY started_at`,
  );
}

/** Whether a run of the project is in progress, be its worker alive or not. */
export async function hasOpenRun(
  database: Queryable,
  { env, project }: { readonly env: string; readonly project: string },
): Promise<boolean> {
  const rows = await database.query(
    `SELECT 1 FROM plumbline.runs WHERE env = $1 AND project = $2 AND status = 'running' LIMIT 1`,
    [env, project],
  );
  return rows.length > 0;
}

export async function isClosed(database: Queryable, runId: string): Promise<boolean> {
  const rows = await database.query(`SELECT 1 FROM plumbline.runs WHERE run_id = $1 AND status <> 'running'`, [runId]);
  return rows.length > 0;
}

/** Up to two runs whose id begins so: of one project and environment, where they are given. */
export async function findRun(
  database: Database,
  runIdPrefix: string,
  { project, env }: { readonly project?: string; readonly env?: string | undefined } = {},
): Promise<RunRow[]> {
  return database.query<RunRow>(
    `SELECT * FROM plumbline.runs
     WHERE starts_with(run_id, $1) AND ($2::text IS NULL OR project = $2) AND ($3::text IS NULL OR env = $3)
     ORDER BY run_id = $1 DESC, started_at DESC LIMIT 2`,
    [runIdPrefix, project ?? null, env ?? null],
  );
}

export async function listRuns(database: Database, env: string, project: string, limit: number): Promise<RunRow[]> {
  return database.query<RunRow>(
    'SELECT * FROM plumbline.runs WHERE env = $1 AND project = $2 ORDER BY started_at DESC LIMIT $3',
    [env, project, limit],
  );
}

export type NewestRun = Pick<RunRow, 'run_id' | 'status' | 'ended_at'> & {
  /** Milliseconds since 1970. */
  readonly started_ms: number;
  /** Null while it runs. */
  readonly ended_ms: number | null;
};

/** The newest run that `startedBy` started; a run that waits for another has no record yet. */
export async function newestRunBy(
  database: Queryable,
  env: string,
  project: string,
  startedBy: string,
): Promise<NewestRun | undefined> {
  const [row] = await database.query<NewestRun>(
    `SELECT run_id, status, ended_at, extract(epoch FROM started_at)::float8 * 1000 AS started_ms,
       extract(epoch FROM ended_at)::float8 * 1000 AS ended_ms FROM plumbline.runs
     WHERE env = $1 AND project = $2 AND started_by = $3 ORDER BY started_at DESC LIMIT 1`,
    [env, project, startedBy],
  );
  return row;
}

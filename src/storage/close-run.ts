import type { Queryable } from '../model/database.js';
import type { AlertsConfig } from '../model/project.js';
import { jsonb } from '../model/jsonb.js';
import { recordAlert } from './alerts.js';
import type { RunRow } from './runs.js';

/** What is said of an error that ended a run. */
interface EndError {
  readonly code: string;
  readonly message: string;
  readonly step?: string;
  readonly at?: unknown;
  readonly next?: string;
}

/**
 * Ends the run's record and, inside the same transaction, records whom to tell: of every run that failed, and of one
 * that was cancelled though nobody asked for it with plumbline. False when it was closed before; then nothing changes.
 *
 * @param session with a transaction open
 */
export async function closeRunRow(
  session: Queryable,
  runId: string,
  status: RunRow['status'],
  error?: EndError,
  result?: unknown,
): Promise<boolean> {
  const [closed] = await session.query<ClosedRun>(
    `UPDATE plumbline.runs SET status = $2, error = $3, result = $4, ended_at = now()
     WHERE run_id = $1 AND status = 'running' RETURNING env, project, options, cancelled_by,
       -- One that could not be opened has not read whom to tell; its schedule was applied with the same code.
       coalesce(alerts, (SELECT s.alerts FROM plumbline.schedules s WHERE (s.env, s.project) = (runs.env, runs.project)
         AND runs.started_by = 'schedule ' || s.name)) AS alerts`,
    [runId, status, jsonb(error), jsonb(result)],
    { isKept: true },
  );
  if (closed === undefined) return false;
  const told = badEnd(runId, status, error, closed);
  const { env, project, alerts, options } = closed;
  // That there was nothing to do is no failure.
  if (alerts === null || told === undefined || told.code === 'RUN_INTERVAL_DONE') return true;
  const { step, code, message, at, next = `See \`plumbline runs show ${runId}\`.` } = told;
  await recordAlert(session, {
    env,
    project,
    kind: 'failed',
    subject: runId,
    payload: {
      run: runId,
      ...(options.interval === undefined ? {} : { interval: options.interval }),
      error: { step, code, message, at },
      next,
    },
    config: alerts,
    root: options.root ?? '/',
  });
  return true;
}

interface ClosedRun {
  readonly env: string;
  readonly project: string;
  readonly options: { readonly interval?: unknown; readonly root?: string };
  readonly alerts: AlertsConfig | null;
  readonly cancelled_by: string | null;
}

function badEnd(
  runId: string,
  status: RunRow['status'],
  error: EndError | undefined,
  { cancelled_by: who }: ClosedRun,
): EndError | undefined {
  if (status === 'failed') return error ?? { code: 'UNKNOWN', message: `Run ${runId} failed.` };
  if (status !== 'cancelled' || who !== null) return undefined;
  return {
    code: 'RUN_ENDED_OUTSIDE',
    message: `Run ${runId} was cancelled in Temporal, not with plumbline.`,
    next: 'Look at the workflow in the Temporal UI for who cancelled it.',
  };
}

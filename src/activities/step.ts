import { activityInfo, cancellationSignal, CancelledFailure, heartbeat } from '@temporalio/activity';
import type { RunRef, Stage } from '../contracts/run.js';
import { TerminalError, TransientError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { hideParameters } from '../hide-parameters.js';
import type { Database, Session } from '../model/database.js';
import { connectionName } from '../storage/connection-name.js';
import { endConnections, tagDatabase } from '../storage/database.js';
import { keepConnection } from '../storage/keep-connection.js';
import { renewLease } from '../storage/leases.js';
import { beginStep, countFailures, endStep, holdStep, saveProgress, surveyStep } from '../storage/run-steps.js';
import type { ActivityDependencies } from './dependencies.js';
import { describeError, toFailure } from './failures.js';
import { openStepOutput } from './step-output.js';

export const LEASE_SCOPE = 'write';
/** Long enough for a killed worker to come back (10 s), short enough that a dead run does not hold the project up. */
export const LEASE_TTL_SECONDS = 30;

export interface StepScope {
  /** Connections named after this step, so that a later attempt can end them. */
  readonly database: Database;
  readonly signal: AbortSignal;
  readonly attempt: number;
  readonly progress: (progress: Readonly<Record<string, unknown>>) => void;
  /** Keeps a line that a program of the step printed, for `plumbline runs logs`; it must have no secret. */
  readonly output: (line: string) => void;
  /** Inside the transaction that publishes: throws unless this attempt is still the one that works. */
  readonly fence: (session: Session) => Promise<void>;
}

export interface StepOutcome<T> {
  readonly result: T;
  readonly status?: 'succeeded' | 'reused';
  /** Why it ran or why it was reused, for `plan`, `run` and the step's row. */
  readonly reason?: string;
}

/**
 * One step of a run, as an activity: takes over from an earlier attempt, heartbeats and renews the project's lease while
 * `work` runs, keeps the step's row, translates errors. A second attempt first ends the connections of the first, so a
 * frozen writer can neither block it nor write after it.
 */
export async function runStep<T>(
  dependencies: ActivityDependencies,
  at: { readonly run: RunRef; readonly step: string; readonly stage: Stage },
  work: (scope: StepScope) => Promise<StepOutcome<T>>,
): Promise<T> {
  const { database } = dependencies;
  const { run, step, stage } = at;
  const lost = new AbortController();
  const signal = AbortSignal.any([cancellationSignal(), lost.signal]);
  let latest: Readonly<Record<string, unknown>> = {};
  let attempt = 0;
  let dirty = false;

  const beat = setInterval(() => {
    heartbeat({ step, ...latest });
    if (!dirty || attempt === 0) return;
    dirty = false;
    saveProgress(database, run.runId, step, attempt, latest).catch(() => (dirty = true));
  }, 500);
  const renew = setInterval(() => {
    // A lease somebody else took over means this run was given up: stop rather than write on.
    renewLease(database, leaseOf(run), run.runId, LEASE_TTL_SECONDS)
      .then((held) => held || lost.abort(leaseLost(run)))
      .catch(() => {});
  }, 5_000);
  heartbeat({ step });

  try {
    const own = keepConnection(tagDatabase(database, `${connectionName(run.runId, step)}/${activityInfo().attempt}`));
    const attend = async (): Promise<StepOutcome<T>> => {
      attempt = await takeOverStep(own.database, run, step, stage);
      await failpoint(`step.${stage}.started`);
      const output = openStepOutput(dependencies, { runId: run.runId, step, attempt });
      return work({
        database: own.database,
        signal,
        attempt,
        progress: (progress) => {
          latest = progress;
          dirty = true;
        },
        output: output.add,
        fence: async (session) => {
          const held = await holdStep(session, { runId: run.runId, step, attempt }, leaseOf(run));
          if (!held.step) throw stepLost(step);
          if (!held.lease) throw leaseLost(run);
        },
      }).finally(output.close);
    };
    // Before the step is seen to have ended.
    const outcome = await attend().finally(() => own.release());
    await endStep(database, run.runId, step, attempt, {
      status: outcome.status ?? 'succeeded',
      ...(outcome.reason === undefined ? {} : { reason: outcome.reason }),
      result: outcome.result,
    });
    await failpoint(`step.${stage}.ended`);
    return outcome.result;
  } catch (caught) {
    if (cancellationSignal().aborted) throw new CancelledFailure(`step ${hideParameters(step)} was cancelled`);
    const error: unknown = lost.signal.aborted ? lost.signal.reason : caught;
    const ended = { status: 'failed' as const, error: describeError(error, step) };
    // The row is for people; what counts is the failure, so a database that is away must not hide it.
    if (attempt > 0) await endStep(database, run.runId, step, attempt, ended).catch(() => {});
    const failures = await countFailures(database, run.runId, step).catch(() => 0);
    const failure = toFailure(error, step, failures);
    dependencies.log.warn({ run: run.runId, step: hideParameters(step), attempt, err: error }, 'step failed');
    throw failure;
  } finally {
    clearInterval(beat);
    clearInterval(renew);
  }
}

/**
 * Becomes the attempt that works: ends what earlier ones have open, before and after the step's row says so.
 *
 * @param own lends the attempt's one connection, whose name it has
 */
async function takeOverStep(own: Database, run: RunRef, step: string, stage: Stage): Promise<number> {
  const scheduledMs = activityInfo().currentAttemptScheduledTimestampMs;
  const { runId } = run;
  const found = await surveyStep(own, { runId, step }, leaseOf(run), LEASE_TTL_SECONDS);
  if (!found.holdsLease) throw leaseLost(run);
  // Only a later attempt may end an earlier one's connections, never the other way round.
  if (found.scheduledMs > scheduledMs) throw stepLost(step);
  const endEarlier = () => own.session((session) => endConnections(session, `^${connectionName(runId, step)}/`));
  // A writer frozen in its last transaction holds the row: nothing but the end of its connection frees it.
  if (found.isConnected) await endEarlier();
  const attempt = await beginStep(own, { runId, step, stage, scheduledMs, whileRunning: true });
  if (attempt === undefined) throw stepLost(step);
  // One may have opened its connection meanwhile, before this one's number was there to be seen.
  if (attempt > 1) await endEarlier();
  return attempt;
}

export function leaseOf(run: RunRef): { env: string; project: string; scope: string } {
  return { env: run.env, project: run.project, scope: LEASE_SCOPE };
}

export function leaseLost(run: RunRef): TerminalError {
  return new TerminalError(
    'RUN_LEASE_LOST',
    `Run ${run.runId} no longer holds ${run.project} (${run.env}): it is over, or another run took it over.`,
    {
      next: 'See `plumbline runs list` for the run that works on it now.',
    },
  );
}

/** Transient: it is told to whoever was superseded, and must not end the attempt that lives. */
export function stepLost(step: string): TransientError {
  return new TransientError(
    'RUN_STEP_SUPERSEDED',
    `An attempt of step ${step} was superseded by a later one, or its run is over; it changed nothing.`,
  );
}

import { activityInfo } from '@temporalio/activity';
import type { CloseRunInput, OpenRunInput, PlanResult, RunPlan, RunRef, Stage } from '../contracts/run.js';
import { closeRunInput, openRunInput } from '../contracts/run.js';
import { TerminalError, TransientError } from '../errors.js';
import { sweepBuilds } from '../elt/transform/sweep-builds.js';
import { abandonLoads } from '../elt/load/abandon-loads.js';
import { sweepStages } from '../elt/load/sweep-stages.js';
import { isByInterval } from '../model/is-by-interval.js';
import { instant, shownInterval } from '../model/data-interval.js';
import type { Database } from '../model/database.js';
import { ensureSchema } from '../model/ensure-schema.js';
import { onSession } from '../model/on-session.js';
import type { Project } from '../model/project.js';
import { partName } from '../model/selection.js';
import { connectionName } from '../storage/connection-name.js';
import { endConnections, tagDatabase } from '../storage/database.js';
import { databaseClock } from '../storage/database-clock.js';
import { claimInterval, settleInterval } from '../storage/intervals.js';
import { closeRunRow } from '../storage/close-run.js';
import { expiredHolder, releaseLease, renewLease, takeFreeLease, takeLease } from '../storage/leases.js';
import { ensureRoles } from '../storage/roles.js';
import { planSteps, skipRest } from '../storage/run-steps.js';
import { claimOpening, insertRun, saveRunAlerts } from '../storage/runs.js';
import type { ActivityDependencies } from './dependencies.js';
import { explainSteps } from './explain-plan.js';
import { projectOf, resourceNamed } from './project-code.js';
import { createPlan, plannedSteps } from './run-plan.js';
import { requireInterval } from './selected-steps.js';
import { shortActivity } from './short-activity.js';
import { hasNoRelations, resourceExists } from './table-exists.js';
import { LEASE_TTL_SECONDS, leaseLost, leaseOf } from './step.js';

/** Temporal, whose clock says when an interval is over for a schedule, and PostgreSQL may be on machines of their own. */
const CLOCKS_DIFFER_MS = 5_000;

export type RunActivities = ReturnType<typeof createRunActivities>;

export function createRunActivities(dependencies: ActivityDependencies) {
  const { database } = dependencies;
  return {
    /**
     * Records the run, takes the project's lease and plans its steps. Idempotent by run id. Waits, by retries, while
     * another run holds the lease. Sweeps on one connection, which a later attempt ends: one that thaws when the run is
     * at work must not sweep under it.
     */
    async openRun(input: OpenRunInput): Promise<RunPlan> {
      return shortActivity('open', async () => {
        const { run, workflowId, stages, startedBy, retryOf } = openRunInput.parse(input);
        const scheduledMs = activityInfo().currentAttemptScheduledTimestampMs;
        const record = {
          run_id: run.runId,
          env: run.env,
          project: run.project,
          workflow_id: workflowId,
          stages,
          bundle: run.bundle.digest,
          options: {
            force: run.force,
            root: run.root,
            only: run.only,
            select: run.select,
            exclude: run.exclude,
            interval: run.interval,
            rejects: run.rejects,
            acceptAnomaly: run.acceptAnomaly,
          },
          retry_of: retryOf ?? null,
          started_by: startedBy,
        };
        return onOneConnection(run, 'open', async (own, endOthers) => {
          // Over the named connection: a later attempt that finds the row ends whoever inserted it, wherever that one froze.
          if (!(await insertRun(own, record, scheduledMs))) {
            if (!(await claimOpening(own, run.runId, scheduledMs))) throw leaseLost(run);
            await endOthers(`^${connectionName(run.runId, 'open')}/`);
          }
          await takeProject(run, own, endOthers);
          const project = await projectOf(dependencies, run);
          if (project.alerts !== undefined) await saveRunAlerts(own, run.runId, project.alerts);
          if (stages.includes('elt')) requireInterval(project, run);
          await ensureSchema(own, ...(Object.values(project.schemas) as string[]));
          await sweep(own, run, project);
          await claimRunInterval(own, run, stages);
          const plan = await withoutLoaded(own, run, project, createPlan(project, run));
          await planSteps(own, run.runId, plannedSteps(plan, stages));
          return plan;
        });
      });
    },

    /** Ends the run: its status, its error, what it leaves behind swept, its lease given back. Idempotent. */
    async closeRun(input: CloseRunInput): Promise<void> {
      return shortActivity('close', async () => {
        const { run, status, error, result } = closeRunInput.parse(input);
        await onOneConnection(run, 'close', async (own, endOthers) => {
          await endOthers(`^${connectionName(run.runId)}/`);
          await tidyUp(own, run, status);
          await own.transaction(async (session) => {
            await closeRunRow(session, run.runId, status, error, result);
            await skipRest(session, run.runId, status === 'succeeded', error?.skipped);
            await settleInterval(session, run.runId);
            await releaseLease(session, leaseOf(run), run.runId);
          });
        });
      });
    },

    /** What a run would redo now and why. Reads only. */
    async explainPlan({ run }: { readonly run: RunRef }): Promise<PlanResult> {
      return shortActivity('plan', async () => explainSteps(dependencies, run, await projectOf(dependencies, run)));
    },
  };

  /** Lends one connection named after the run's opening or closing, with what ends others by name over it. */
  async function onOneConnection<T>(
    run: RunRef,
    what: 'open' | 'close',
    work: (own: Database, endOthers: (namePattern: string) => Promise<unknown>) => Promise<T>,
  ): Promise<T> {
    const named = tagDatabase(database, `${connectionName(run.runId, what)}/${activityInfo().attempt}`);
    return named.session((session) => work(onSession(session), (pattern) => endConnections(session, pattern)));
  }

  async function takeProject(
    run: RunRef,
    own: Database,
    endOthers: (namePattern: string) => Promise<unknown>,
  ): Promise<void> {
    if (await takeFreeLease(own, leaseOf(run), run.runId, LEASE_TTL_SECONDS)) return;
    // A writer frozen in its last transaction holds the lease's row, whose expiry then helps nobody.
    const expired = await expiredHolder(own, leaseOf(run));
    if (expired !== undefined && expired !== run.runId) await endOthers(`^${connectionName(expired)}/`);
    const lease = await takeLease(own, leaseOf(run), run.runId, LEASE_TTL_SECONDS);
    if (!lease.held) {
      if ('isOver' in lease) throw leaseLost(run);
      throw new TransientError(
        'RUN_LEASE_HELD',
        `Run ${lease.holder} still holds ${run.project} (${run.env}), until ${lease.expiresAt} at the latest.`,
        { next: `Nothing: it is tried again. \`plumbline runs show ${lease.holder}\` tells what that run is at.` },
      );
    }
    // Whatever a dead run left open or half built must not meet this one.
    if (lease.takenFrom !== undefined) await endOthers(`^${connectionName(lease.takenFrom)}/`);
  }

  /** Best effort: a bundle that cannot be read, or a table somebody holds, must not keep a run open for ever. */
  async function tidyUp(own: Database, run: RunRef, status: CloseRunInput['status']): Promise<void> {
    try {
      const project = await projectOf(dependencies, run);
      // A run that could not be opened has not said so yet.
      if (project.alerts !== undefined) await saveRunAlerts(own, run.runId, project.alerts);
      if (status === 'succeeded') return await grantRoles(own, project);
      // Without the lease the stages may be another run's; its own opening and closing sweep them.
      if (!(await renewLease(own, leaseOf(run), run.runId, LEASE_TTL_SECONDS))) return;
      await sweep(own, run, project, status);
      // Of a run that failed some tables may be new.
      await grantRoles(own, project);
    } catch (error) {
      dependencies.log.warn({ run: run.runId, err: error }, 'tidying up after a run failed; the next run sweeps');
    }
  }

  async function withoutLoaded(own: Database, run: RunRef, project: Project, plan: RunPlan): Promise<RunPlan> {
    if (run.keepLoaded !== true) return plan;
    const resources: string[] = [];
    for (const id of plan.resources) {
      const resource = resourceNamed(project, id);
      if (resource.isSeed === true || isByInterval(resource) || !(await resourceExists(own, project, resource)))
        resources.push(id);
    }
    return { ...plan, resources };
  }

  /**
   * A run before the interval is over leaves it as it is: more is to come. So does one of some quarantined rows. One of a
   * part does that part of it.
   */
  async function claimRunInterval(own: Database, run: RunRef, stages: readonly Stage[]): Promise<void> {
    const { env, project, interval, rejects, once, keepLoaded, force } = run;
    if (interval === undefined || !stages.includes('elt') || rejects !== undefined) return;
    // Not by the worker's clock: one that is ahead would mark as done what is still to come, which no later run would load.
    const now = (await databaseClock(own)).getTime() + (once === true ? CLOCKS_DIFFER_MS : 0);
    if (instant(interval.end) > now) return;
    // Schedules and backfills leave alone what was given up, however they came by it; a person's run takes it back.
    const again = { done: once !== true || force, skipped: once !== true && keepLoaded !== true };
    if (await claimInterval(own, { env, project, interval, part: partName(run) }, run.runId, again)) return;
    throw new TerminalError(
      'RUN_INTERVAL_DONE',
      `Run ${run.runId} of ${project} (${env}) was not needed: the interval ${shownInterval(interval)} is done or was skipped.`,
      { next: `Run it all the same with \`plumbline run --interval ${shownInterval(interval)}\`.` },
    );
  }

  /** After the tables are there: what is new in this run gets its grants too. */
  async function grantRoles(own: Database, { name, env, schemas }: Project): Promise<void> {
    const { note } = await ensureRoles(own, { env, project: name, schemas });
    if (note !== undefined) dependencies.log.info({ project: name }, note);
  }

  /** @param ended how `run` ended; its row does not say so yet */
  async function sweep(
    own: Database,
    run: RunRef,
    { schemas }: Project,
    ended?: 'failed' | 'cancelled',
  ): Promise<void> {
    const cancelled = ended === 'cancelled' ? { cancelledRunId: run.runId } : {};
    await abandonLoads({ database: own, env: run.env, project: run.project, ...cancelled });
    // Nearly every run leaves nothing, which one look tells.
    if (await hasNoRelations(own, schemas.stage)) return;
    await sweepStages({ database: own, schemas });
    await sweepBuilds({ database: own, schemas, ...(ended === undefined ? {} : { endedRunId: run.runId }) });
  }
}

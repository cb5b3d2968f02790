import { activityInfo, cancellationSignal, CancelledFailure, getClient, heartbeat } from '@temporalio/activity';
import {
  collectGarbageInput,
  type CollectGarbageInput,
  type GarbageCollectionResult,
} from '../contracts/garbage-collection.js';
import { forgetKey } from '../elt/forget/forget-key.js';
import { abandonLoads } from '../elt/load/abandon-loads.js';
import { sweepStages } from '../elt/load/sweep-stages.js';
import { sweepBuilds } from '../elt/transform/sweep-builds.js';
import { collectGarbage } from '../retention/collect-garbage.js';
import { erasureInput, type ErasureInput, type ErasureResult } from '../contracts/erasure.js';
import { TransientError } from '../errors.js';
import type { Database } from '../model/database.js';
import { onSession } from '../model/on-session.js';
import { connectionName } from '../storage/connection-name.js';
import { endConnections, tagDatabase } from '../storage/database.js';
import { holdsLease, releaseLease, renewLease, takeLease } from '../storage/leases.js';
import { hasOpenRun } from '../storage/runs.js';
import type { ActivityDependencies } from './dependencies.js';
import { toFailure } from './failures.js';
import { hashesOfOpenWorkflows } from './open-workflows.js';
import { projectOf } from './project-code.js';
import { LEASE_SCOPE, LEASE_TTL_SECONDS } from './step.js';

export type MaintenanceActivities = ReturnType<typeof createMaintenanceActivities>;

export function createMaintenanceActivities(dependencies: ActivityDependencies) {
  const { database, store } = dependencies;
  return {
    /**
     * Expires records and sweeps the store. Keyed by the collection's id: another attempt goes on where the first was. Heartbeat
     * details: objects looked at and deleted, and how often it has failed by itself.
     */
    async collectGarbage(input: CollectGarbageInput): Promise<GarbageCollectionResult> {
      const options = collectGarbageInput.parse(input);
      return maintenance('gc', async (progress, signal) => {
        const stages = options.dryRun ? undefined : await dropStages(options);
        const result = await collectGarbage({
          ...options,
          inUse: await hashesOfOpenWorkflows(getClient(), options.project),
          database,
          store,
          signal,
          onProgress: (at) => progress({ ...at }),
        });
        return { ...result, ...(stages === undefined ? {} : { stages }) };
      });
    },

    /** Keyed by the erasure's id: another attempt goes on, and one after the end gives the same report. Waits, by retries, for a run in progress. */
    async forgetKey(input: ErasureInput): Promise<ErasureResult> {
      const options = erasureInput.parse(input);
      const { env, project: name, erasureId } = options;
      return maintenance('forget', async (_progress, signal) => {
        if (await hasOpenRun(database, { env, project: name })) throw projectTaken(name, env);
        const project = await projectOf(dependencies, options);
        const holder = `forget ${erasureId}`;
        const key = { env, project: name, scope: LEASE_SCOPE };
        const report = await withProject(options, holder, (own, lost) =>
          forgetKey({
            database: own,
            store,
            project,
            erasureId,
            signal: AbortSignal.any([signal, lost]),
            fence: async (session) => {
              if (!(await holdsLease(session, key, holder))) throw projectTaken(name, env);
            },
          }),
        );
        if (report === undefined) throw projectTaken(name, env);
        return report;
      });
    },
  };

  /**
   * What a run does at its start, for a project that has none any more. Undefined when a run is in progress: it has swept, and one that
   * waits for its worker must not lose the project. On one connection, which a run that takes over ends.
   */
  async function dropStages(input: CollectGarbageInput): Promise<string[] | undefined> {
    const { env, project, collectionId } = input;
    if (await hasOpenRun(database, input)) return undefined;
    return withProject(input, `gc ${collectionId}`, async (own) => {
      const { schemas } = await projectOf(dependencies, input);
      return own.session(async (session) => {
        const one = onSession(session);
        await abandonLoads({ database: one, env, project });
        const loads = await sweepStages({ database: one, schemas });
        return [...loads.map((name) => `${schemas.stage}.${name}`), ...(await sweepBuilds({ database: one, schemas }))];
      });
    });
  }

  /** Lends the project as a run has it, with connections that whoever takes it over ends. Undefined when a run has it. */
  async function withProject<T>(
    { env, project }: { readonly env: string; readonly project: string },
    holder: string,
    work: (own: Database, lost: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> {
    const key = { env, project, scope: LEASE_SCOPE };
    const lease = await takeLease(database, key, holder, LEASE_TTL_SECONDS);
    if (!lease.held) return undefined;
    const lost = new AbortController();
    const renew = setInterval(() => {
      renewLease(database, key, holder, LEASE_TTL_SECONDS)
        .then((held) => held || lost.abort(projectTaken(project, env)))
        .catch(() => {});
    }, 5_000);
    try {
      const earlier = `^${connectionName(holder)}/`;
      // Of an attempt that is frozen.
      await endConnections(database, earlier);
      return await work(
        tagDatabase(database, `${connectionName(holder, 'own')}/${activityInfo().attempt}`),
        lost.signal,
      );
    } finally {
      clearInterval(renew);
      await releaseLease(database, key, holder);
    }
  }
}

function projectTaken(project: string, env: string): TransientError {
  return new TransientError('RUN_LEASE_HELD', `A run has ${project} (${env}); this goes on when it is over.`);
}

/** Heartbeats every second with the newest progress, and translates errors. */
async function maintenance<T>(
  name: string,
  work: (progress: (at: Readonly<Record<string, unknown>>) => void, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const earlier = activityInfo().heartbeatDetails as { readonly failures?: number } | undefined;
  let failures = earlier?.failures ?? 0;
  let latest: Readonly<Record<string, unknown>> = {};
  const beat = setInterval(() => heartbeat({ ...latest, failures }), 1_000);
  try {
    return await work((at) => (latest = at), cancellationSignal());
  } catch (error) {
    if (cancellationSignal().aborted) throw new CancelledFailure(`${name} was cancelled`);
    heartbeat({ ...latest, failures: ++failures });
    throw toFailure(error, name, failures);
  } finally {
    clearInterval(beat);
  }
}

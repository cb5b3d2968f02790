import { activityInfo, cancellationSignal, CancelledFailure, heartbeat } from '@temporalio/activity';
import {
  collectGarbageInput,
  type CollectGarbageInput,
  type GarbageCollectionResult,
} from '../contracts/garbage-collection.js';
import { sweepStages } from '../elt/load/sweep-stages.js';
import { sweepBuilds } from '../elt/transform/sweep-builds.js';
import { collectGarbage } from '../retention/collect-garbage.js';
import { onSession } from '../model/on-session.js';
import { tagDatabase } from '../storage/database.js';
import { releaseLease, takeLease } from '../storage/leases.js';
import { hasOpenRun } from '../storage/runs.js';
import type { ActivityDependencies } from './dependencies.js';
import { toFailure } from './failures.js';
import { projectOf } from './project-code.js';
import { connectionName, LEASE_SCOPE } from './step.js';

export type MaintenanceActivities = ReturnType<typeof createMaintenanceActivities>;

/** Long enough to drop the stages of a project; a run that opens meanwhile waits. */
const STAGES_LEASE_SECONDS = 60;

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
          database,
          store,
          signal,
          onProgress: (at) => progress({ ...at }),
        });
        return { ...result, ...(stages === undefined ? {} : { stages }) };
      });
    },
  };

  /**
   * What a run does at its start, for a project that has none any more. Undefined when a run is in progress: it has swept, and one that
   * waits for its worker must not lose the project. On one connection, which a run that takes over ends.
   */
  async function dropStages(input: CollectGarbageInput): Promise<string[] | undefined> {
    const { env, project, collectionId } = input;
    const key = { env, project, scope: LEASE_SCOPE };
    const holder = `gc ${collectionId}`;
    if (await hasOpenRun(database, key)) return undefined;
    const lease = await takeLease(database, key, holder, STAGES_LEASE_SECONDS);
    if (!lease.held) return undefined;
    try {
      const { schemas } = await projectOf(dependencies, input);
      const named = tagDatabase(database, `${connectionName(holder, 'stages')}/${activityInfo().attempt}`);
      return await named.session(async (session) => {
        const own = onSession(session);
        const loads = await sweepStages({ database: own, env, project, schemas });
        return [...loads.map((name) => `${schemas.stage}.${name}`), ...(await sweepBuilds({ database: own, schemas }))];
      });
    } finally {
      await releaseLease(database, key, holder);
    }
  }
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

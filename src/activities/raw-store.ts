import type { RunRef } from '../contracts/run.js';
import type { SharedStore } from '../model/artifact.js';
import { redactedStore } from '../storage/redacted-store.js';
import type { ActivityDependencies } from './dependencies.js';

/** The artifact store with the raw objects as the run's project has them: without the rows of whom it forgot. */
export function rawStore(
  { store, database }: Pick<ActivityDependencies, 'store' | 'database'>,
  { env, project }: Pick<RunRef, 'env' | 'project'>,
): SharedStore {
  return redactedStore(store, database, { env, project });
}

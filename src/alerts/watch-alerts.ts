import type { Database } from '../model/database.js';
import { deliverAlerts } from './deliver-alerts.js';
import { findEnded, type WorkflowEnds } from './find-ended.js';
import { findMissed } from './find-missed.js';

const EVERY_MS = 5_000;
/** Rounds from one look at Temporal to the next. */
const ENDS_EVERY = 6;

/**
 * Looks for missed starts and sends what is due, every 5 s until `stop`, and for runs that were ended from outside every
 * 30 s. Any number of processes may do so at once. What fails is reported and tried again, and keeps nothing else from being
 * done; without rights on the tables it is left to the processes that have them.
 */
export function watchAlerts(options: {
  readonly database: Database;
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  readonly ends: WorkflowEnds;
  readonly onError: (error: unknown) => void;
}): { stop(): Promise<void> } {
  const { database, ends } = options;
  const stopped = new AbortController();
  let round = Promise.resolve();
  let rounds = 0;
  let isBusy = false;
  let mayClose = true;
  const onError = (error: unknown): void => {
    if (isWithoutRights(error)) clearInterval(timer);
    options.onError(error);
  };
  const lookForEnded = async (): Promise<void> => {
    if (!mayClose || rounds++ % ENDS_EVERY !== 0) return;
    await findEnded(database, ends).catch((error: unknown) => {
      // Who may send alerts need not have the right to close runs.
      if (isWithoutRights(error)) mayClose = false;
      options.onError(error);
    });
  };
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    round = findMissed(database, new Date())
      .catch(onError)
      .then(lookForEnded)
      .then(() => deliverAlerts({ ...options, signal: stopped.signal }))
      .then(() => {})
      .catch(onError)
      .finally(() => (isBusy = false));
  }, EVERY_MS);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      stopped.abort();
      await round;
    },
  };
}

function isWithoutRights(error: unknown): boolean {
  const INSUFFICIENT_PRIVILEGE = '42501';
  return (error as { code?: unknown }).code === INSUFFICIENT_PRIVILEGE;
}

import type { Database } from '../model/database.js';
import { deliverAlerts } from './deliver-alerts.js';
import { findMissed } from './find-missed.js';

const EVERY_MS = 5_000;

/**
 * Looks for missed starts and sends what is due, every 5 s until `stop`. Any number of processes may do so at once. What
 * fails is reported and tried again; without rights on the tables it is left to the processes that have them.
 */
export function watchAlerts(options: {
  readonly database: Database;
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  readonly onError: (error: unknown) => void;
}): { stop(): Promise<void> } {
  const stopped = new AbortController();
  let round = Promise.resolve();
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    round = findMissed(options.database, new Date())
      .then(() => deliverAlerts({ ...options, signal: stopped.signal }))
      .then(() => {})
      .catch((error: unknown) => {
        const INSUFFICIENT_PRIVILEGE = '42501';
        if ((error as { code?: unknown }).code === INSUFFICIENT_PRIVILEGE) clearInterval(timer);
        options.onError(error);
      })
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

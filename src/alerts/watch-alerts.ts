import type { Database } from '../model/database.js';
import { repeat } from '../model/repeat.js';
import { databaseClock } from '../storage/database-clock.js';
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
  let rounds = 0;
  let maySend = true;
  let mayClose = true;
  const onError = (error: unknown): void => {
    if (isWithoutRights(error)) maySend = false;
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
  const looking = repeat(
    EVERY_MS,
    async () => {
      if (!maySend) return;
      await databaseClock(database)
        .then((now) => findMissed(database, now))
        .catch(onError);
      await lookForEnded();
    },
    onError,
  );
  // By itself: receivers that do not answer take their time.
  const sending = repeat(
    EVERY_MS,
    async (signal) => {
      if (maySend) await deliverAlerts({ ...options, signal });
    },
    onError,
  );
  return {
    async stop() {
      await Promise.all([looking.stop(), sending.stop()]);
    },
  };
}

function isWithoutRights(error: unknown): boolean {
  const INSUFFICIENT_PRIVILEGE = '42501';
  return (error as { code?: unknown }).code === INSUFFICIENT_PRIVILEGE;
}

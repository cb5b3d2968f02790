import type { Database, Session } from './database.js';

/**
 * Runs `work` on `session`; when `signal` aborts, the statement in flight is cancelled in PostgreSQL over a second
 * connection and the call rejects with the signal's reason, after the statement has really ended.
 */
export async function cancelOnAbort<T>(
  database: Database,
  session: Session,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (signal === undefined) return work();
  signal.throwIfAborted();
  let cancelling: Promise<unknown> = Promise.resolve();
  let again: NodeJS.Timeout | undefined;
  let isOver = false;
  const cancel = (): void => {
    // A failed cancel leaves the statement to end by itself; the caller hears of the abort either way.
    cancelling = database
      .query('SELECT pg_cancel_backend($1)', [session.pid])
      .catch(() => {})
      .then(() => {
        // One that came between two statements hit nothing.
        if (!isOver) again = setTimeout(cancel, CANCEL_AGAIN_MS);
      });
  };
  signal.addEventListener('abort', cancel, { once: true });
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', cancel);
    isOver = true;
    clearTimeout(again);
    // A cancel still on its way must not hit the next statement of this connection.
    await cancelling;
  }
}

const CANCEL_AGAIN_MS = 500;

import type { Session } from './database.js';

/** Advisory lock that a connection holds, shared, while it reads tables in one snapshot: a swap waits for its holders. */
export const ONE_SNAPSHOT_LOCK = 730_588_109;

/**
 * A transaction whose statements all see the database as it is now. A table swapped in meanwhile would look empty to
 * it, so it says, before its snapshot is taken, that swaps have to wait for it.
 */
export async function inOneSnapshot<T>(session: Session, work: () => Promise<T>): Promise<T> {
  await session.query('SELECT pg_advisory_lock_shared($1)', [ONE_SNAPSHOT_LOCK]);
  try {
    return await session.transaction(async () => {
      await session.execute('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
      return work();
    });
  } finally {
    // A connection that broke has given it up already.
    await session.query('SELECT pg_advisory_unlock_shared($1)', [ONE_SNAPSHOT_LOCK]).catch(() => {});
  }
}

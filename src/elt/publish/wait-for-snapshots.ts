import { setTimeout as sleep } from 'node:timers/promises';
import type { Queryable } from '../../model/database.js';
import { ONE_SNAPSHOT_LOCK } from '../../model/one-snapshot.js';
import { OPEN_TRANSACTION_COLUMNS, type OpenTransaction } from './open-transaction.js';

export interface OldSnapshot extends OpenTransaction {
  readonly virtualTransaction: string;
}

/**
 * Waits until every snapshot that cannot see what is committed now has ended, as CREATE INDEX CONCURRENTLY does: a
 * REPEATABLE READ transaction that began before would read the new table as empty. Later snapshots are not waited for,
 * nor is a run's own work: see OLDER.
 *
 * @returns the transactions still open at `deadline` (in milliseconds of `performance.now()`, which no change of the clock moves); none means that all have ended
 */
export async function waitForSnapshots(
  session: Queryable,
  options: {
    readonly deadline: number;
    readonly signal?: AbortSignal;
    readonly onWait?: (open: readonly OldSnapshot[]) => void;
  },
): Promise<readonly OldSnapshot[]> {
  const older = (): Promise<OldSnapshot[]> =>
    session.query<OldSnapshot & Record<string, unknown>>(OLDER, [], { isKept: true });
  let waiting = await older();
  for (let pauseMs = 10; waiting.length > 0; pauseMs = Math.min(pauseMs * 2, 250)) {
    options.signal?.throwIfAborted();
    if (performance.now() >= options.deadline) return waiting;
    options.onWait?.(waiting);
    await sleep(pauseMs);
    const open = new Set((await older()).map(keyOf));
    waiting = waiting.filter((snapshot) => open.has(keyOf(snapshot)));
  }
  return waiting;
}

function keyOf(snapshot: OldSnapshot): string {
  return `${snapshot.pid} ${snapshot.virtualTransaction}`;
}

// A snapshot that misses a committed transaction has an xmin at or before it; age 0 means xmin is the next id to be given.
// xmin, virtual transactions and names are shown to every role. Vacuum and replication read no tables by snapshot. Steps of a
// run (connections named plumbline/<run>/<step>/<attempt>) may work for long beside a swap, but never read its target: the
// graph puts whoever reads a table after its publication. A step of another project may name it; it takes a snapshot for each
// statement, or holds the lock that says otherwise. Other connections of plumbline (cli, worker, serving) do count.
const OLDER = `
  SELECT ${OPEN_TRANSACTION_COLUMNS}, l.virtualtransaction AS "virtualTransaction"
  FROM pg_stat_activity a
  JOIN pg_locks l ON l.pid = a.pid AND l.locktype = 'virtualxid' AND l.granted AND l.virtualtransaction = l.virtualxid
  WHERE a.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND a.pid <> pg_backend_pid() AND a.backend_xmin IS NOT NULL AND age(a.backend_xmin) > 0
    AND (coalesce(a.application_name, '') NOT LIKE 'plumbline/%' OR EXISTS (SELECT FROM pg_locks s WHERE s.pid = a.pid
      AND s.locktype = 'advisory' AND s.database = a.datid AND (s.classid, s.objid, s.objsubid) = (0, ${ONE_SNAPSHOT_LOCK}, 1)))
    AND coalesce(a.backend_type, '') NOT IN ('autovacuum worker', 'walsender')
    AND coalesce(a.query, '') !~* '^\\s*vacuum'`;

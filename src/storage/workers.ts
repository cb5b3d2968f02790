import type { Queryable } from '../model/database.js';

/** Says that a worker lives. Temporal lists pollers long after a kill; this row is fresh within seconds or it is not. */
export async function stampWorker(
  database: Queryable,
  worker: {
    readonly id: string;
    readonly host: string;
    readonly pid: number;
    readonly queues: readonly string[];
    readonly version: string;
    /** Of the artifact store it sees. */
    readonly store: { readonly place: string; readonly id: string };
  },
): Promise<void> {
  await database.execute(
    `INSERT INTO plumbline.workers (worker_id, host, pid, queues, version, store, store_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (worker_id) DO UPDATE SET seen_at = clock_timestamp()`,
    [worker.id, worker.host, worker.pid, worker.queues, worker.version, worker.store.place, worker.store.id],
  );
}

export async function forgetWorker(database: Queryable, id: string): Promise<void> {
  await database.execute(`DELETE FROM plumbline.workers WHERE worker_id = $1 OR seen_at < now() - interval '1 day'`, [
    id,
  ]);
}

export interface WorkerRow {
  readonly worker_id: string;
  readonly host: string;
  readonly pid: number;
  readonly queues: readonly string[];
  readonly version: string;
  /** Null of a worker of an older version. */
  readonly store: string | null;
  readonly store_id: string | null;
  readonly age_seconds: number;
}

/** Workers seen within `withinSeconds`. */
export async function liveWorkers(database: Queryable, withinSeconds = 6): Promise<WorkerRow[]> {
  return database.query<WorkerRow>(
    `SELECT worker_id, host, pid, queues, version, store, store_id, extract(epoch FROM clock_timestamp() - seen_at)::float8 AS age_seconds
     FROM plumbline.workers WHERE seen_at > clock_timestamp() - make_interval(secs => $1) ORDER BY started_at`,
    [withinSeconds],
  );
}

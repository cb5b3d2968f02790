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
  },
): Promise<void> {
  await database.execute(
    `INSERT INTO plumbline.workers (worker_id, host, pid, queues, version) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (worker_id) DO UPDATE SET seen_at = clock_timestamp()`,
    [worker.id, worker.host, worker.pid, worker.queues, worker.version],
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
  readonly age_seconds: number;
}

/** Workers seen within `withinSeconds`. */
export async function liveWorkers(database: Queryable, withinSeconds = 6): Promise<WorkerRow[]> {
  return database.query<WorkerRow>(
    `SELECT worker_id, host, pid, queues, version, extract(epoch FROM clock_timestamp() - seen_at)::float8 AS age_seconds
     FROM plumbline.workers WHERE seen_at > clock_timestamp() - make_interval(secs => $1) ORDER BY started_at`,
    [withinSeconds],
  );
}

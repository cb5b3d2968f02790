import type { Queryable } from '../model/database.js';
import { CONNECTIONS } from './connection-budget.js';
import { liveWorkers } from './workers.js';

export interface ConnectionUse {
  /** What the server gives to roles that are no superusers. */
  readonly granted: number;
  /** Held now by programs other than plumbline, in all databases of the server. */
  readonly others: number;
  /** Alive within the last 10 s. */
  readonly workers: number;
  /** Prediction servers that hold a connection. */
  readonly servers: number;
  /** What workers, prediction servers, the supervisor and one command may hold at most. */
  readonly needed: number;
}

/** Compares the budget of the processes that live with what the server grants. */
export async function connectionUse(database: Queryable): Promise<ConnectionUse> {
  // `reserved_connections` came with PostgreSQL 16. Of other roles' sessions one may see no more than their database.
  const [found] = await database.query<{ granted: number; others: number; serving: number }>(
    `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - coalesce(current_setting('reserved_connections', true)::int, 0) AS granted,
     count(*) FILTER (WHERE coalesce(application_name, '') !~ '^plumbline( |/|$)')::int AS others,
     count(*) FILTER (WHERE application_name = 'plumbline serve')::int AS serving
     FROM pg_stat_activity WHERE datid IS NOT NULL`,
  );
  const { granted, others, serving } = found!;
  const workers = (await liveWorkers(database, 10)).length;
  const servers = Math.ceil(serving / CONNECTIONS.serve);
  const needed =
    workers * CONNECTIONS.worker + servers * CONNECTIONS.serve + CONNECTIONS.supervisor + CONNECTIONS.command;
  return { granted, others, workers, servers, needed };
}

import type { Queryable } from '../model/database.js';

/** What PostgreSQL's clock shows: the one clock that all workers and commands share, whatever their own ones say. */
export async function databaseClock(database: Queryable): Promise<Date> {
  const [row] = await database.query<{ nowMs: number }>(
    `SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS "nowMs"`,
  );
  return new Date(row!.nowMs);
}

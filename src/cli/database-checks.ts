import type { Secret, Settings } from '../config.js';
import type { OpenDatabase } from '../storage/database.js';
import { printable } from './printable.js';
import { checkDatabase } from './check-servers.js';

export interface DatabaseCheck {
  readonly ok: boolean;
  readonly found: string;
  /** What to do; only for a check that failed. */
  readonly next?: string;
}

export const START = 'Start it with `plumbline up`.';
export const UPGRADE =
  'Run `plumbline down` and `plumbline up`. Where PostgreSQL is your own, start its workers with this version: they bring it up to date.';

/** The server answers, and connections to it keep their session. */
export async function checkPostgres({ databaseUrl }: Settings): Promise<DatabaseCheck> {
  if (databaseUrl === undefined) return { ok: false, found: 'no database is known here', next: START };
  const { version } = await checkDatabase(databaseUrl);
  const { missingMigrations } = await import('../storage/missing-migrations.js');
  // Before its first worker it has no tables, which is nothing to mend.
  const missing = await withDatabase(databaseUrl, missingMigrations).catch(() => []);
  if (missing.length === 0) return { ok: true, found: `answers, version ${version}` };
  return {
    ok: false,
    found: `is that of an earlier version of plumbline: ${missing.join(', ')} missing`,
    next: UPGRADE,
  };
}

/** What plumbline may hold at most, beside what PostgreSQL grants and others use. */
export async function checkConnections({ databaseUrl }: Settings): Promise<DatabaseCheck> {
  if (databaseUrl === undefined) return { ok: false, found: 'unknown without a database', next: START };
  return withDatabase(databaseUrl, async (database) => {
    const { connectionUse } = await import('../storage/connection-use.js');
    const { granted, others, workers, servers, needed } = await connectionUse(database);
    const parts = `${workers} worker${workers === 1 ? '' : 's'}, ${servers} prediction server${servers === 1 ? '' : 's'} and a command`;
    const found = `at most ${needed} for ${parts}; ${granted} granted, ${others} used by others`;
    if (needed + others <= granted) return { ok: true, found };
    return {
      ok: false,
      found,
      next: `Raise max_connections of PostgreSQL by ${needed + others - granted}, or run fewer workers.`,
    };
  });
}

/** Whether everybody who is to be told of a failed run was told: a wrong address shows only when one is sent. */
export async function checkAlerts({ databaseUrl }: Pick<Settings, 'databaseUrl'>): Promise<DatabaseCheck> {
  if (databaseUrl === undefined) return { ok: false, found: 'unknown without a database', next: START };
  return withDatabase(databaseUrl, async (database) => {
    const { undeliveredAlerts } = await import('../storage/alerts.js');
    const waiting = await undeliveredAlerts(database);
    if (waiting === undefined) return { ok: true, found: 'none of the last 7 days waits after a failure' };
    const { count, since, error } = waiting;
    return {
      ok: false,
      found: `${count} not delivered since ${since}; the last error: ${printable(error)}`,
      next: 'Correct `alerts` in plumbline.yaml, or the variable where workers and servers start; what is younger than 3 days is tried again.',
    };
  });
}

/** Serving may go through a pooler of any kind; it has to keep the time zone that is asked for at the start. */
export async function checkPooler(url: Secret): Promise<DatabaseCheck> {
  return withDatabase(url, async (database) => {
    const { findPooler } = await import('../storage/find-pooler.js');
    const kind = await findPooler(url.reveal());
    const [row] = await database.query<{ zone: string }>(`SELECT current_setting('TimeZone') AS zone`);
    const found =
      kind === undefined ? 'none: PLUMBLINE_DATABASE_URL leads to PostgreSQL itself' : `by the ${kind}, for serving`;
    if (row?.zone === 'UTC') return { ok: true, found };
    return {
      ok: false,
      found: `${found}, but its sessions are in ${row?.zone ?? 'no'} time, not in UTC`,
      next: 'Do not let it ignore the startup parameter `options`.',
    };
  });
}

/** Lends one connection. */
export async function withDatabase<T>(url: Secret, work: (database: OpenDatabase) => Promise<T>): Promise<T> {
  const { openDatabase } = await import('../storage/database.js');
  const database = openDatabase({ url: url.reveal(), max: 1, applicationName: 'plumbline doctor' });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

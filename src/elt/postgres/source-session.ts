import type { Session } from '../../model/database.js';
import { identifier, literal } from '../../model/sql-identifier.js';

export interface SnapshotOptions {
  /** The search path of queries. */
  readonly schema: string;
  /** `"schema"."table"`: held against whoever would rewrite it, from before the snapshot is taken. */
  readonly lock?: string;
  /** One that another session has exported, in place of a new one. */
  readonly snapshot?: string;
}

/**
 * A transaction of the source in which every statement sees the database as it is at the first one, and none can write.
 * Nothing depends on settings of the role or the server.
 */
export async function inSourceSnapshot<T>(
  session: Session,
  { schema, lock, snapshot }: SnapshotOptions,
  work: () => Promise<T>,
): Promise<T> {
  return session.transaction(async () => {
    await session.execute('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
    if (snapshot !== undefined) await session.execute(`SET TRANSACTION SNAPSHOT ${literal(snapshot)}`);
    // A scan that begins in the middle of a table, or several that race, would give the same rows in another order.
    await session.execute(`SET LOCAL search_path TO ${identifier(schema)};
      SET LOCAL timezone TO 'UTC'; SET LOCAL datestyle TO 'ISO'; SET LOCAL intervalstyle TO 'iso_8601';
      SET LOCAL extra_float_digits TO 3; SET LOCAL bytea_output TO 'hex'; SET LOCAL standard_conforming_strings TO on;
      SET LOCAL synchronize_seqscans TO off; SET LOCAL max_parallel_workers_per_gather TO 0;
      SET LOCAL lock_timeout TO '30s'; SET LOCAL idle_in_transaction_session_timeout TO 0`);
    // TRUNCATE and ALTER TABLE show an older snapshot an empty table; LOCK takes none.
    if (lock !== undefined) await session.execute(`LOCK TABLE ${lock} IN ACCESS SHARE MODE`);
    return work();
  });
}

/**
 * What the transaction's snapshot sees, as a text: two equal ones see the same rows of every table, because between
 * them no transaction of that server has ended. Undefined where that cannot be said: on a standby, whose snapshots do
 * not list what is under way, and without the right to ask.
 */
export async function sourcePosition(session: Session): Promise<string | undefined> {
  const [may] = await session.query<{ ask: boolean }>(
    `SELECT NOT pg_is_in_recovery() AND has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
       AND has_function_privilege('pg_catalog.pg_control_checkpoint()', 'EXECUTE') AS ask`,
  );
  if (may?.ask !== true) return undefined;
  const [position] = await session.query<{ text: string }>(
    `SELECT concat_ws('/', s.system_identifier, c.timeline_id, d.oid, txid_current_snapshot()) AS text
     FROM pg_control_system() AS s, pg_control_checkpoint() AS c, pg_database AS d WHERE d.datname = current_database()`,
  );
  return position?.text;
}

import type { Session } from '../../model/database.js';
import { endFormerWriter, type Writer } from './end-former-writer.js';

/**
 * Ends connections that still write into the stages of these loads, of which the ledger names the first one only: a client that is
 * frozen in COPY would keep its lock of the stage for ever. Throws `ELT_WRITER_STUCK` (transient).
 */
export async function endStageWriters(
  session: Session,
  loadIds: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const writers = await session.query<Writer>(
    `SELECT DISTINCT a.pid, a.backend_start::text AS "backendStart" FROM plumbline.loads AS load
       JOIN pg_namespace AS n ON n.nspname = load.stage_schema
       JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = coalesce(load.stage_table, 'load_' || load.load_id)
       JOIN pg_locks AS l ON l.relation = c.oid AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock'
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       JOIN pg_stat_activity AS a ON a.pid = l.pid
     WHERE load.load_id = ANY($1::bigint[]) AND a.pid <> pg_backend_pid()`,
    [[...loadIds]],
  );
  for (const writer of writers) await endFormerWriter(session, writer, signal);
}

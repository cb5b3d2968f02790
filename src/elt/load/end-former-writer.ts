import { setTimeout as sleep } from 'node:timers/promises';
import { TransientError } from '../../errors.js';
import type { Queryable, Session } from '../../model/database.js';

/** A connection to PostgreSQL, named so that a later one with the same process id is not taken for it. */
export interface Writer {
  readonly pid: number;
  readonly backendStart: string;
}

const DEADLINE_MS = 12_000;

/**
 * Ends the connection of a former attempt and waits until it is gone: a client frozen in COPY or before COMMIT would
 * keep its locks for ever. Does nothing when the connection has ended or is our own. Throws `ELT_WRITER_STUCK` (transient) after 12 s.
 */
export async function endFormerWriter(session: Session, former: Writer, signal?: AbortSignal): Promise<void> {
  if (former.pid === session.pid && former.backendStart === session.backendStart) return;
  await session.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2',
    [former.pid, former.backendStart],
  );
  for (const end = performance.now() + DEADLINE_MS; await isAlive(session, former);) {
    if (performance.now() > end)
      throw new TransientError(
        'ELT_WRITER_STUCK',
        `Taking over a load failed: the connection of its former attempt (PostgreSQL process ${former.pid}) did not end in ${DEADLINE_MS / 1000} s.`,
        { details: { pid: former.pid }, next: 'Nothing: the step is tried again.' },
      );
    await sleep(20, undefined, signal === undefined ? {} : { signal });
  }
}

async function isAlive(session: Queryable, writer: Writer): Promise<boolean> {
  const rows = await session.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2', [
    writer.pid,
    writer.backendStart,
  ]);
  return rows.length > 0;
}

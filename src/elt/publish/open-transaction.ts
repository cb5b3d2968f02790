import type { Queryable } from '../../model/database.js';

/** A transaction of another connection that a publication waits for; what its role may not see is null. */
export interface OpenTransaction {
  readonly pid: number;
  readonly user: string | null;
  readonly application: string | null;
  readonly state: string | null;
  /** When it began, to the second. */
  readonly since: string | null;
}

/** For a SELECT over `pg_stat_activity a`. */
export const OPEN_TRANSACTION_COLUMNS = `a.pid, a.usename::text AS "user", a.application_name AS application, a.state,
  date_trunc('second', a.xact_start)::text AS since`;

/** Who holds a lock on one of these relations. */
export function lockHolders(session: Queryable, oids: readonly number[]): Promise<OpenTransaction[]> {
  return session.query(
    `SELECT ${OPEN_TRANSACTION_COLUMNS} FROM pg_stat_activity a
     WHERE a.pid <> pg_backend_pid() AND a.pid IN (
       SELECT l.pid FROM pg_locks l
       WHERE l.granted AND l.relation = ANY($1::oid[])
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
     ORDER BY a.xact_start`,
    [[...oids]],
  );
}

/** `2 older transactions: pid 12 (ann report, idle in transaction, since 2026-11-23 06:50:01+00), …` */
export function shownTransactions(open: readonly OpenTransaction[]): string {
  const shown = open.map(({ pid, user, application, state, since }) => {
    const who = [user, application].filter((part) => part !== null && part !== '').join(' ');
    const facts = [who, state ?? '', since === null ? '' : `since ${since}`].filter((fact) => fact !== '');
    return `pid ${pid} (${facts.join(', ')})`;
  });
  return `${open.length} older transaction${open.length === 1 ? '' : 's'}: ${shown.join(', ')}`;
}

import type { Database, RowLists, Session } from '../model/database.js';
import { identifier } from '../model/sql-identifier.js';

/** Stands before a query that `firstRows` runs: positions in PostgreSQL's errors count from its start. */
export const BEFORE_QUERY = 'DECLARE shown NO SCROLL CURSOR FOR ';

export interface ReadOnlyQuery {
  /** One SELECT without a semicolon at its end. */
  readonly query: string;
  /** Where names without a schema are looked for. */
  readonly schemas: readonly string[];
}

/**
 * The first rows of one SELECT, in a transaction that cannot write; PostgreSQL plans it for a quick start. Throws
 * PostgreSQL's own error when it refuses the query.
 */
export async function firstRows(
  database: Database,
  { limit, ...query }: ReadOnlyQuery & { readonly limit: number },
): Promise<RowLists> {
  return readOnly(database, query, (session) => session.queryLists(`FETCH FORWARD ${limit} FROM shown`));
}

/** Lends a connection that cannot write, with a cursor `shown` over the query, which is one statement then. */
export async function readOnly<T>(
  database: Database,
  { query, schemas }: ReadOnlyQuery,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  return database.session(async (session) => {
    await session.execute(`SET default_transaction_read_only = on`);
    if (schemas.length > 0) await session.execute(`SET search_path = ${schemas.map(identifier).join(', ')}`);
    return session.transaction(async () => {
      // The empty list: a second statement could commit and lift the refusal to write.
      await session.execute(BEFORE_QUERY + query, []);
      return work(session);
    });
  });
}

import type { Database, Row } from '../model/database.js';
import { identifier } from '../model/sql-identifier.js';

/** Stands before a query that `firstRows` runs: positions in PostgreSQL's errors count from its start. */
export const BEFORE_QUERY = 'DECLARE shown NO SCROLL CURSOR FOR ';

/**
 * The first rows of one SELECT, in a transaction that cannot write; PostgreSQL plans it for a quick start. Throws
 * PostgreSQL's own error when it refuses the query.
 * @param schemas where names without a schema are looked for
 */
export async function firstRows(
  database: Database,
  { query, schemas, limit }: { readonly query: string; readonly schemas: readonly string[]; readonly limit: number },
): Promise<Row[]> {
  return database.session(async (session) => {
    await session.execute(`SET default_transaction_read_only = on`);
    if (schemas.length > 0) await session.execute(`SET search_path = ${schemas.map(identifier).join(', ')}`);
    return session.transaction(async () => {
      // The empty list: a second statement could commit and lift the refusal to write.
      await session.execute(BEFORE_QUERY + query, []);
      return session.query(`FETCH FORWARD ${limit} FROM shown`);
    });
  });
}

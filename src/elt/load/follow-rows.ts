import type { Session } from '../../model/database.js';
import { qualified } from '../../model/sql-identifier.js';
import type { Publication } from './claim-publication.js';
import { countRows } from './count-rows.js';
import type { StageName } from './stage-table.js';

/** Up to here a table is read in some tens of milliseconds; to count it then also sees what others did to it. */
export const READ_BYTES = 32 * 2 ** 20;

// What the connection has done to a table since its statistics were last sent, which never happens inside a transaction:
// https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-STATS-FUNCTIONS-TABLE
const BALANCE = '(pg_stat_get_xact_tuples_inserted(oid) - pg_stat_get_xact_tuples_deleted(oid))::float8';

/**
 * Call it in the transaction of a publication, before the table changes, and what it gives when all is done: the rows that
 * the table has then. A large table is not read for that: PostgreSQL says what the transaction has put in and taken out of
 * it, and the last version how many rows it had. With `track_counts` off, or where no version has the table or another source has had it since, it is counted.
 * There must be no ROLLBACK TO SAVEPOINT in between.
 */
export async function followRows(
  session: Session,
  { env, project, resource, version }: Publication,
  target: StageName,
  countedBytes = READ_BYTES,
): Promise<() => Promise<number>> {
  const name = qualified(target.schema, target.name);
  const [former] = await session.query<{ isSmall: boolean; balance: number }>(
    `SELECT pg_relation_size(oid) < $2 AS "isSmall", ${BALANCE} AS balance FROM pg_class WHERE oid = to_regclass($1)`,
    [name, countedBytes],
    { isKept: true },
  );
  return async () => {
    if (former?.isSmall === true) return countRows(session, target);
    const [now] = await session.query<{ rows: number | null }>(
      `SELECT CASE WHEN current_setting('track_counts')::boolean THEN ${BALANCE} - $2 + CASE WHEN $3 THEN 0 ELSE
         (SELECT row_count::float8 FROM plumbline.resource_versions AS own
          WHERE (env, project, resource, version, table_schema, table_name) = ($4, $5, $6, $7, $8, $9)
            AND NOT EXISTS (SELECT FROM plumbline.resources JOIN plumbline.resource_versions AS other USING (env, project, resource, version)
              WHERE (env, project, other.table_schema, other.table_name) = ($4, $5, $8, $9) AND other.published_at > own.published_at)) END END AS rows
       FROM pg_class WHERE oid = $1::regclass`,
      [name, former?.balance ?? 0, former === undefined, env, project, resource, version, target.schema, target.name],
      { isKept: true },
    );
    return now?.rows ?? countRows(session, target);
  };
}

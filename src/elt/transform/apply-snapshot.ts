import type { Queryable } from '../../model/database.js';
import type { SnapshotConfig } from '../../model/project.js';
import { identifier } from '../../model/sql-identifier.js';
import { sqlName, type TableName } from '../publish/table-name.js';
import { changedAt, IS_DELETED, snapshotColumns, stateId } from './snapshot-sql.js';

/**
 * Brings the snapshot `table` to the rows of `now`, inside the transaction that is open: a state that changed ends where
 * the new one begins, rows that are gone end now if that is asked for, or go on as deleted, new and changed rows begin. No
 * state is removed, and the same rows twice change nothing.
 *
 * @param columns of `now`; those that only the table has are NULL in new states
 * @returns the number of states that begin
 */
export async function applySnapshot(
  session: Queryable,
  config: SnapshotConfig,
  columns: readonly string[],
  now: TableName,
  table: TableName,
): Promise<number> {
  const [from, into] = [sqlName(now), sqlName(table)];
  const sameKey = config.uniqueKey.map((key) => `t.${identifier(key)} = s.${identifier(key)}`).join(' AND ');
  const current = `t.dbt_valid_to IS NULL AND ${sameKey}`;
  const changed = changedAt(config, 's');
  const isChanged =
    config.updatedAt === undefined ? isDistinct(config.checkColumns, columns) : `t.dbt_updated_at < ${changed}`;
  const isThere = config.recordsDeleted === true ? ` AND t.${IS_DELETED} = 'False'` : '';
  // A row that was back began when a run saw that, which its own clock may be behind: no state ends before it began.
  const ended = `CASE WHEN ${changed} <= t.dbt_valid_from THEN greatest(now(), t.dbt_valid_from) ELSE ${changed} END`;
  await session.execute(
    `UPDATE ${into} t SET dbt_valid_to = ${ended} FROM ${from} s WHERE ${current}${isThere} AND ${isChanged}`,
  );
  const list = columns.map(identifier).join(', ');
  let began = 0;
  if (config.recordsDeleted === true) {
    // A row that is back ends the state that says it is gone, which began when a run saw that: not earlier.
    await session.execute(
      `UPDATE ${into} t SET dbt_valid_to = ${ended} FROM ${from} s WHERE ${current} AND t.${IS_DELETED} = 'True'`,
    );
    began = await session.execute(
      `WITH gone AS (${closeGone(into, from, sameKey)} AND t.${IS_DELETED} = 'False' RETURNING t.*)
       INSERT INTO ${into} (${list}, ${snapshotColumns(config).join(', ')})
       SELECT ${list}, ${stateId(config, 'gone', `gone.dbt_valid_to::text || ' deleted'`)}, now(), dbt_valid_to, NULL, 'True' FROM gone`,
    );
  } else if (config.closesDeleted) await session.execute(closeGone(into, from, sameKey));
  const values = columns.map((column) => `s.${identifier(column)}`).join(', ');
  const keys = config.uniqueKey.map(identifier).join(', ');
  const more = await session.execute(
    // A row that was gone and is back as it was begins now, not in a time that is told already.
    `INSERT INTO ${into} (${list}, ${snapshotColumns(config).join(', ')})
     SELECT ${list}, ${stateId(config, 's', 's.dbt_valid_from')}, s.dbt_updated_at, s.dbt_valid_from, NULL${config.recordsDeleted === true ? `, 'False'` : ''}
     FROM (SELECT ${values}, ${changed} AS dbt_updated_at,
             CASE WHEN ${changed} < t.dbt_valid_to THEN now() ELSE ${changed} END AS dbt_valid_from
           FROM ${from} s
           LEFT JOIN (SELECT ${keys}, bool_or(dbt_valid_to IS NULL) AS is_current, max(dbt_valid_to) AS dbt_valid_to
                      FROM ${into} GROUP BY ${keys}) t ON ${sameKey}
           WHERE t.is_current IS NOT TRUE) s`,
  );
  return began + more;
}

/** Ends the current states whose row is gone. A state may begin in the future, by its own clock: it ends no earlier. */
function closeGone(into: string, from: string, sameKey: string): string {
  return `UPDATE ${into} t SET dbt_valid_to = greatest(now(), t.dbt_valid_from)
    WHERE t.dbt_valid_to IS NULL AND NOT EXISTS (SELECT FROM ${from} s WHERE ${sameKey})`;
}

// What a load writes beside a row, or an element of one: the same row loaded again has others.
const BOOKKEEPING = [
  '_load_id',
  '_row_number',
  '_loaded_at',
  '_parent_load_id',
  '_parent_row_number',
  '_root_row_number',
];

function isDistinct(checked: SnapshotConfig['checkColumns'], columns: readonly string[]): string {
  const names = checked === 'all' ? columns.filter((name) => !BOOKKEEPING.includes(name)) : checked;
  return `(${names.map((name) => `t.${identifier(name)} IS DISTINCT FROM s.${identifier(name)}`).join(' OR ')})`;
}

import type { SnapshotConfig } from '../../model/project.js';
import { identifier } from '../../model/sql-identifier.js';

/** dbt's names, in dbt's order; all times are `timestamptz`. */
export const SNAPSHOT_COLUMNS = ['dbt_scd_id', 'dbt_updated_at', 'dbt_valid_from', 'dbt_valid_to'] as const;

/** dbt's name for whether a state is that of a row that is gone: `True` or `False`, as text. */
export const IS_DELETED = 'dbt_is_deleted';

/** The columns that a snapshot of these settings has beside those of its SELECT. */
export function snapshotColumns({ recordsDeleted }: SnapshotConfig): string[] {
  return [...SNAPSHOT_COLUMNS, ...(recordsDeleted === true ? [IS_DELETED] : [])];
}

/**
 * A SELECT of the rows of `query` as the first states of a snapshot. `query` is a SELECT or a table, ready to stand in
 * parentheses or after FROM.
 */
export function firstStates(config: SnapshotConfig, query: string): string {
  const changed = changedAt(config, 's');
  return `SELECT s.*, ${stateId(config, 's', changed)} AS dbt_scd_id, ${changed} AS dbt_updated_at, ${changed} AS dbt_valid_from,
    NULL::timestamptz AS dbt_valid_to${config.recordsDeleted === true ? `, 'False' AS ${IS_DELETED}` : ''} FROM ${query} AS s`;
}

/** When the state of a row began, by the row itself or, where columns are compared, now: the transaction's start. */
export function changedAt({ updatedAt }: SnapshotConfig, row: string): string {
  return updatedAt === undefined ? 'now()' : `${row}.${identifier(updatedAt)}::timestamptz`;
}

/** Names one state of one row: a hash over its key and its beginning. */
export function stateId({ uniqueKey }: SnapshotConfig, row: string, validFrom: string): string {
  const key = uniqueKey.map((column) => `${row}.${identifier(column)}::text`).join(', ');
  return `md5(concat_ws('|', ${key}, (${validFrom})::text))`;
}

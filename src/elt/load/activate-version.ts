import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { mergeStrategy } from '../merge/merge-key.js';
import { nextMoment } from '../merge/scd2.js';
import { TABLE_VERSION } from '../singer/table-version.js';
import type { LedgerLine } from './ledger.js';
import type { StageName } from './stage-table.js';

/**
 * Removes the rows of older versions of a table when one of the loads activates a newer one, as full-table replication of a Singer tap
 * does; `scd2` closes them. Ask in the transaction that adds the rows, after them. Gives the number of rows.
 */
export async function activateVersion(
  session: Session,
  resource: ResourceConfig,
  target: StageName,
  columns: ReadonlyMap<string, ColumnType>,
  lines: readonly LedgerLine[],
): Promise<number> {
  const activated = lines.map(({ reader }) => reader?.stream?.activated).findLast((version) => version !== undefined);
  if (activated === undefined || !columns.has(TABLE_VERSION)) return 0;
  const version = identifier(TABLE_VERSION);
  const isOlder = `(${version} IS NULL OR ${version} < $1::bigint)`;
  if (resource.write === 'merge' && mergeStrategy(resource) === 'scd2')
    return session.execute(
      `UPDATE ${qualified(target.schema, target.name)} SET _valid_to = $2::timestamptz WHERE _valid_to IS NULL AND ${isOlder}`,
      [activated, await nextMoment(session, { target })],
    );
  return session.execute(`DELETE FROM ${qualified(target.schema, target.name)} WHERE ${isOlder}`, [activated]);
}

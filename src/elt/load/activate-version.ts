import type { Session } from '../../model/database.js';
import type { ColumnType } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { TABLE_VERSION } from '../singer/table-version.js';
import type { LedgerLine } from './ledger.js';
import type { StageName } from './stage-table.js';

/**
 * Removes the rows of older versions of a table when one of the loads activates a newer one, as full-table replication of a Singer tap
 * does. Ask in the transaction that adds the rows, after them. Gives the number of rows removed.
 */
export async function activateVersion(
  session: Session,
  target: StageName,
  columns: ReadonlyMap<string, ColumnType>,
  lines: readonly LedgerLine[],
): Promise<number> {
  const activated = lines.map(({ reader }) => reader?.stream?.activated).findLast((version) => version !== undefined);
  if (activated === undefined || !columns.has(TABLE_VERSION)) return 0;
  const version = identifier(TABLE_VERSION);
  return session.execute(
    `DELETE FROM ${qualified(target.schema, target.name)} WHERE ${version} IS NULL OR ${version} < $1::bigint`,
    [activated],
  );
}

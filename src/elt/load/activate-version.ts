import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { mergeStrategy } from '../merge/merge-key.js';
import { nextMoment } from '../merge/scd2.js';
import { wouldEmpty } from '../merge/would-empty.js';
import { TABLE_VERSION } from '../singer/table-version.js';
import type { LedgerLine } from './ledger.js';
import type { StageName } from './stage-table.js';

/**
 * Removes the rows of older versions of a table when one of the loads activates a newer one, as full-table replication of a Singer tap
 * does; `scd2` closes them. Ask in the transaction that adds the rows, after them. Gives the number of rows.
 *
 * Throws `ELT_SOURCE_EMPTY` (terminal) when the newer version has no row, the table has rows, and it is not meant to become empty; the
 * transaction is then to be rolled back.
 *
 * @param mayEmpty a person wants the table to be emptied
 */
export async function activateVersion(
  session: Session,
  resource: ResourceConfig,
  target: StageName,
  columns: ReadonlyMap<string, ColumnType>,
  lines: readonly LedgerLine[],
  mayEmpty: boolean,
): Promise<number> {
  const activated = lines.map(({ reader }) => reader?.stream?.activated).findLast((version) => version !== undefined);
  if (activated === undefined || !columns.has(TABLE_VERSION)) return 0;
  const version = identifier(TABLE_VERSION);
  const isOlder = `(${version} IS NULL OR ${version} < $1::bigint)`;
  const isClosed = resource.write === 'merge' && mergeStrategy(resource) === 'scd2';
  const table = qualified(target.schema, target.name);
  const isPresent = isClosed ? '_valid_to IS NULL' : 'true';
  const removed = isClosed
    ? await session.execute(`UPDATE ${table} SET _valid_to = $2::timestamptz WHERE ${isPresent} AND ${isOlder}`, [
        activated,
        await nextMoment(session, { target }),
      ])
    : await session.execute(`DELETE FROM ${table} WHERE ${isOlder}`, [activated]);
  if (removed === 0 || resource.allowEmpty === true || mayEmpty) return removed;
  if ((await session.query(`SELECT 1 FROM ${table} WHERE ${isPresent} LIMIT 1`)).length === 0)
    throw wouldEmpty(resource, target, `the tap sent no row of the version of ${resource.path} that it activated`);
  return removed;
}

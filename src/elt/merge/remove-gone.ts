import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { mergeStrategy } from './merge-key.js';
import { nextMoment } from './scd2.js';
import { hasSourceKey, isPresent } from './source-keys.js';
import { sqlName } from './unit.js';
import { wouldEmpty } from './would-empty.js';

interface Table {
  readonly schema: string;
  readonly name: string;
}

/**
 * Takes out of a table, in the caller's transaction, the rows whose primary key the source no longer has: `scd2` closes them,
 * the others delete them. Rows of newer loads than the one that read the keys stay. Gives the number of rows.
 *
 * Throws `ELT_SOURCE_EMPTY` (terminal) when the source has no key at all, the table has rows, and it is not meant to become empty.
 *
 * @param keys the primary keys of every row of the source, read under one snapshot with the load's rows
 */
export async function removeGone(
  session: Session,
  work: {
    readonly resource: ResourceConfig;
    readonly target: Table;
    readonly columns: ReadonlyMap<string, ColumnType>;
    readonly keys: Table;
    /** Of the keys' columns. */
    readonly keyTypes: ReadonlyMap<string, ColumnType>;
    readonly loadId: string;
    /** A person wants the table to be emptied. */
    readonly mayEmpty: boolean;
  },
): Promise<number> {
  const { resource, target, columns, keys, keyTypes, loadId } = work;
  const present = isPresent(resource);
  if (resource.allowEmpty !== true && !work.mayEmpty) await refuseToEmpty(session, resource, target, keys, present);
  const isGone = `${present} AND t._load_id <= $1::bigint AND NOT EXISTS (SELECT 1 FROM ${sqlName(keys)} AS k WHERE ${hasSourceKey(resource, columns, keyTypes)})`;
  if (mergeStrategy(resource) !== 'scd2')
    return session.execute(`DELETE FROM ${sqlName(target)} AS t WHERE ${isGone}`, [loadId]);
  return session.execute(`UPDATE ${sqlName(target)} AS t SET _valid_to = $2::timestamptz WHERE ${isGone}`, [
    loadId,
    await nextMoment(session, { target }),
  ]);
}

async function refuseToEmpty(
  session: Session,
  resource: ResourceConfig,
  target: Table,
  keys: Table,
  present: string,
): Promise<void> {
  const [found] = await session.query<{ isEmpty: boolean }>(
    `SELECT NOT EXISTS (SELECT 1 FROM ${sqlName(keys)}) AND EXISTS (SELECT 1 FROM ${sqlName(target)} AS t WHERE ${present}) AS "isEmpty"`,
  );
  if (found?.isEmpty === true) throw wouldEmpty(resource, target, `${resource.path} has no row any more`);
}

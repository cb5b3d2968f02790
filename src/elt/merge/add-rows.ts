import type { Session } from '../../model/database.js';
import { deleteInsert } from './delete-insert.js';
import { mergeStrategy } from './merge-key.js';
import { addVersions } from './scd2.js';
import { sqlName, writtenColumns, writtenValues, type Unit } from './unit.js';
import { upsert } from './upsert.js';

/**
 * Puts a unit's rows into the published table, in the caller's transaction.
 *
 * @param isWhole the unit has every row that the source has, none of them rejected
 */
export async function addRows(session: Session, unit: Unit, isWhole: boolean): Promise<void> {
  const { resource } = unit;
  if (resource.write !== 'merge') return append(session, unit);
  switch (mergeStrategy(resource)) {
    case 'upsert':
      return upsert(session, unit);
    case 'delete-insert':
      return deleteInsert(session, unit);
    case 'scd2':
      return addVersions(session, unit, isWhole && resource.merge?.closesGone === true);
  }
}

/** Rows that come after the others of their load: what the load has brought stays. */
export async function joinRows(session: Session, unit: Unit): Promise<void> {
  const { resource } = unit;
  if (resource.write === 'merge' && mergeStrategy(resource) === 'delete-insert')
    return deleteInsert(session, unit, false);
  return addRows(session, unit, false);
}

async function append(session: Session, { target, columns, stages }: Unit): Promise<void> {
  for (const stage of stages)
    await session.execute(
      `INSERT INTO ${sqlName(target)} (${writtenColumns(stage).join(', ')})
       SELECT ${writtenValues(stage, columns, 's').join(', ')} FROM ${sqlName(stage.table)} AS s`,
    );
}

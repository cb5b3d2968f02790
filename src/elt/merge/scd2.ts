import type { Session } from '../../model/database.js';
import { identifier } from '../../model/sql-identifier.js';
import { valueAs } from '../schema/value-as.js';
import { TABLE_VERSION } from '../singer/table-version.js';
import { isNotOlder } from './row-version.js';
import { isDeleted, sameKey, sqlName, writtenColumns, writtenValues, type Unit, type UnitStage } from './unit.js';

/**
 * Slowly changing dimension, type 2: a key has a row for each state it was in, from `_valid_from` until before `_valid_to`,
 * which is NULL in the present one. A staged row that differs from the present one closes it and opens another; one that
 * is equal changes nothing, so the same rows again are a no-op.
 *
 * @param closesGone present rows whose key is in no stage are closed
 */
export async function addVersions(session: Session, unit: Unit, closesGone: boolean): Promise<void> {
  const at = await nextMoment(session, unit);
  for (const stage of unit.stages) {
    await endVersions(session, unit, stage, at);
    await openVersions(session, unit, stage, at);
    if (stage.names.includes(TABLE_VERSION)) await renewTableVersion(session, unit, stage);
  }
  if (closesGone) await closeGone(session, unit, at);
}

/** When the unit's states begin. Behind all that is there, whatever the clock says, so that no state ends before it began. */
export async function nextMoment(session: Session, { target }: Pick<Unit, 'target'>): Promise<string> {
  const [moment] = await session.query<{ at: string }>(
    `SELECT greatest(clock_timestamp(), max(greatest(_valid_from, _valid_to)) + interval '1 microsecond')::text AS at FROM ${sqlName(target)}`,
  );
  return moment!.at;
}

/** Ends the present state of keys that changed or are deleted. One that began in this very unit was seen by nobody and goes. */
async function endVersions(session: Session, unit: Unit, stage: UnitStage, at: string): Promise<void> {
  const { resource, target, columns, batch } = unit;
  // Which full replication a row came with is none of its state.
  const names = stage.names.filter((name) => !resource.primaryKey.includes(name) && name !== TABLE_VERSION);
  const there = names.map((name) => `t.${identifier(name)}`).join(', ');
  const added = names
    .map((name) => valueAs(`s.${identifier(name)}`, columns.get(name)!, stage.types?.get(name)))
    .join(', ');
  const isChanged = names.length === 0 ? 'false' : `ROW(${there}) IS DISTINCT FROM ROW(${added})`;
  const isOver = `${sameKey(resource.primaryKey, 't', 's')} AND t._valid_to IS NULL
    AND (${isChanged} OR ${isDeleted(unit, stage, 's')}) AND ${isNotOlder(unit, stage, 't', 's')}`;
  await session.execute(
    `DELETE FROM ${sqlName(target)} AS t USING ${sqlName(stage.table)} AS s WHERE ${isOver} AND t._valid_from = $2::timestamptz`,
    [[...batch], at],
  );
  await session.execute(
    `UPDATE ${sqlName(target)} AS t SET _valid_to = $2::timestamptz FROM ${sqlName(stage.table)} AS s WHERE ${isOver}`,
    [[...batch], at],
  );
}

async function openVersions(session: Session, unit: Unit, stage: UnitStage, at: string): Promise<void> {
  const { resource, target, columns } = unit;
  await session.execute(
    `INSERT INTO ${sqlName(target)} (${[...writtenColumns(stage), '_valid_from'].join(', ')})
     SELECT ${[...writtenValues(stage, columns, 's'), '$1::timestamptz'].join(', ')} FROM ${sqlName(stage.table)} AS s
     WHERE NOT (${isDeleted(unit, stage, 's')}) AND NOT EXISTS (
       SELECT 1 FROM ${sqlName(target)} AS t WHERE ${sameKey(resource.primaryKey, 't', 's')} AND t._valid_to IS NULL)`,
    [at],
  );
}

/** A row that came again as it was is one of the newer version of its table. */
async function renewTableVersion(session: Session, unit: Unit, stage: UnitStage): Promise<void> {
  const { resource, target, batch } = unit;
  const version = identifier(TABLE_VERSION);
  await session.execute(
    `UPDATE ${sqlName(target)} AS t SET ${version} = s.${version} FROM ${sqlName(stage.table)} AS s
     WHERE ${sameKey(resource.primaryKey, 't', 's')} AND t._valid_to IS NULL AND t.${version} IS DISTINCT FROM s.${version}
       AND ${isNotOlder(unit, stage, 't', 's')}`,
    [[...batch]],
  );
}

async function closeGone(session: Session, unit: Unit, at: string): Promise<void> {
  const { resource, target, stages, batch } = unit;
  const isThere = stages.map(
    ({ table }) => `EXISTS (SELECT 1 FROM ${sqlName(table)} AS s WHERE ${sameKey(resource.primaryKey, 't', 's')})`,
  );
  await session.execute(
    `UPDATE ${sqlName(target)} AS t SET _valid_to = $3::timestamptz WHERE t._valid_to IS NULL AND NOT (${isThere.join(' OR ')})
       AND (t._load_id = ANY($1::bigint[]) OR t._load_id < (SELECT max(one) FROM unnest($2::bigint[]) AS one))`,
    [[...batch], stages.map(({ loadId }) => loadId), at],
  );
}

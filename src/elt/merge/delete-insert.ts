import type { Session } from '../../model/database.js';
import { mergeKey } from './merge-key.js';
import { isDeleted, sameKey, sqlName, writtenColumns, writtenValues, type Unit } from './unit.js';

/**
 * Each merge key has the rows of the newest unit that has any: those of the table go, those of the unit come. A key that the
 * table has from a newer load keeps its rows.
 *
 * @param replaces false: rows join those that the key has already
 */
export async function deleteInsert(session: Session, unit: Unit, replaces = true): Promise<void> {
  const { resource, target, columns, batch, stages } = unit;
  const key = mergeKey(resource);
  const own = stages.map(({ loadId }) => loadId);
  // Loads of the batch go by their order: none of them counts as newer than one behind it.
  const isNewer = `t._load_id <> ALL($1::bigint[]) AND t._load_id > s._load_id`;
  if (replaces)
    for (const stage of stages)
      await session.execute(
        // No join: a key may have many rows on both sides.
        `DELETE FROM ${sqlName(target)} AS t WHERE t._load_id <> ALL($2::bigint[])
           AND EXISTS (SELECT 1 FROM ${sqlName(stage.table)} AS s WHERE ${sameKey(key, 't', 's')} AND NOT (${isNewer}))`,
        [[...batch], own],
      );
  for (const stage of stages) {
    if (resource.primaryKey.length > 0)
      // The same row in two pages, or retried: the later one counts.
      await session.execute(
        `DELETE FROM ${sqlName(target)} AS t USING ${sqlName(stage.table)} AS s
         WHERE ${sameKey(resource.primaryKey, 't', 's')} AND t._load_id = ANY($1::bigint[])`,
        [own],
      );
    await session.execute(
      `INSERT INTO ${sqlName(target)} (${writtenColumns(stage).join(', ')})
       SELECT ${writtenValues(stage, columns, 's').join(', ')} FROM ${sqlName(stage.table)} AS s
       WHERE NOT (${isDeleted(unit, stage, 's')})
         AND NOT EXISTS (SELECT 1 FROM ${sqlName(target)} AS t WHERE ${sameKey(key, 't', 's')} AND ${isNewer})`,
      [[...batch]],
    );
  }
}

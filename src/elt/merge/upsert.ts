import type { Session } from '../../model/database.js';
import { identifier } from '../../model/sql-identifier.js';
import { isNotOlder } from './row-version.js';
import { isDeleted, sameKey, sqlName, writtenColumns, writtenValues, type Unit } from './unit.js';

/** Each key has one row: the staged one, unless the table has it from a newer load. Deleted keys have none. */
export async function upsert(session: Session, unit: Unit): Promise<void> {
  const { resource, target, columns, batch } = unit;
  const key = resource.primaryKey;
  for (const stage of unit.stages) {
    const deleted = isDeleted(unit, stage, 's');
    if (deleted !== 'false')
      await session.execute(
        `DELETE FROM ${sqlName(target)} AS t USING ${sqlName(stage.table)} AS s
         WHERE ${sameKey(key, 't', 's')} AND ${deleted} AND ${isNotOlder(unit, stage, 't', 's')}`,
        [[...batch]],
      );
    const into = writtenColumns(stage);
    const updates = into.filter((column) => !key.map(identifier).includes(column));
    await session.execute(
      `INSERT INTO ${sqlName(target)} AS t (${into.join(', ')})
       SELECT ${writtenValues(stage, columns, 's').join(', ')} FROM ${sqlName(stage.table)} AS s WHERE NOT (${deleted})
       ON CONFLICT (${key.map(identifier).join(', ')}) DO UPDATE
       SET ${updates.map((column) => `${column} = excluded.${column}`).join(', ')}
       WHERE ${isNotOlder(unit, stage, 't', 'excluded')}`,
      [[...batch]],
    );
  }
}

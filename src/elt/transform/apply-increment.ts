import type { DataInterval } from '../../model/data-interval.js';
import type { Queryable } from '../../model/database.js';
import type { IncrementalConfig } from '../../model/project.js';
import { identifier, literal } from '../../model/sql-identifier.js';
import { sqlName, type TableName } from '../publish/table-name.js';

/** @property interval whose rows are replaced, of a table that has an interval column */
export type IncrementSettings = IncrementalConfig & { readonly interval?: DataInterval };

/**
 * Puts the rows of `increment` into `table`, inside the transaction that is open. `merge`: rows of a known key are
 * updated, others added. `delete+insert`: the rows of the same keys, of the run's interval, or from the smallest to the
 * largest new value of the interval column, are removed first. The same increment twice leaves the same rows.
 */
export async function applyIncrement(
  session: Queryable,
  config: IncrementSettings,
  columns: readonly string[],
  increment: TableName,
  table: TableName,
): Promise<void> {
  const [from, into] = [sqlName(increment), sqlName(table)];
  const list = columns.map(identifier).join(', ');
  const sameKey = config.uniqueKey.map((key) => `t.${identifier(key)} = i.${identifier(key)}`).join(' AND ');
  if (config.intervalColumn !== undefined) {
    const column = identifier(config.intervalColumn);
    const isReplaced =
      config.interval === undefined
        ? `${column} BETWEEN (SELECT min(${column}) FROM ${from}) AND (SELECT max(${column}) FROM ${from})`
        : `${column} >= ${literal(config.interval.start)} AND ${column} < ${literal(config.interval.end)}`;
    await session.execute(`DELETE FROM ${into} WHERE ${isReplaced}`);
  } else if (config.strategy === 'delete+insert') {
    await session.execute(`DELETE FROM ${into} t USING ${from} i WHERE ${sameKey}`);
  } else {
    const values = columns.filter((column) => !config.uniqueKey.includes(column)).map(identifier);
    const assignments = values.map((column) => `${column} = i.${column}`).join(', ');
    if (values.length > 0) await session.execute(`UPDATE ${into} t SET ${assignments} FROM ${from} i WHERE ${sameKey}`);
  }
  const unknown = config.strategy === 'merge' ? ` WHERE NOT EXISTS (SELECT FROM ${into} t WHERE ${sameKey})` : '';
  await session.execute(`INSERT INTO ${into} (${list}) SELECT ${list} FROM ${from} i${unknown}`);
}

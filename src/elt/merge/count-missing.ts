import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { identifier } from '../../model/sql-identifier.js';
import { ASKED, hasSourceKey, isPresent } from './source-keys.js';
import { sqlName } from './unit.js';

interface Table {
  readonly schema: string;
  readonly name: string;
}

/**
 * Rows whose primary key the source has and the table has not, though they were asked for: the cursor passed them by, or they were
 * rejected. Those before its initial value, and those that came while the load was under way, are none of them. Call it in the transaction that publishes. Costs one join of the keys with the table.
 *
 * @param keys as of `removeGone`
 */
export async function countMissing(
  session: Session,
  work: {
    readonly resource: ResourceConfig;
    readonly target: Table;
    readonly columns: ReadonlyMap<string, ColumnType>;
    readonly keys: Table;
    /** Of the keys' columns. */
    readonly keyTypes: ReadonlyMap<string, ColumnType>;
  },
): Promise<number> {
  const { resource, target, columns, keys, keyTypes } = work;
  const isWhole = resource.primaryKey.map((name) => `k.${identifier(name)} IS NOT NULL`).join(' AND ');
  const [counted] = await session.query<{ rows: number }>(
    `SELECT count(*)::float8 AS rows FROM ${sqlName(keys)} AS k
     WHERE ${isWhole} AND k.${identifier(ASKED)} AND NOT EXISTS (SELECT 1 FROM ${sqlName(target)} AS t WHERE ${isPresent(resource)} AND ${hasSourceKey(resource, columns, keyTypes)})`,
  );
  return counted?.rows ?? 0;
}

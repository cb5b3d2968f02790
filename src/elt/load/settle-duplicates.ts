import type { Session } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import type { StageName } from './stage-table.js';

/** Row numbers of retried rows that do not go into the table. */
export interface Settled {
  /** The primary key, as rejects name it. */
  readonly key: string;
  readonly keyless: readonly number[];
  readonly duplicates: readonly number[];
  /** Rows of the table that made way. */
  readonly displaced: number;
}

/**
 * Takes retried rows out of the stage that have no key or whose key a later row has, and earlier rows with their keys out
 * of the table: what the load would have done, had they been right from the start. `merge` leaves the table to its own rule.
 */
export async function settleDuplicates(
  session: Session,
  work: {
    readonly resource: ResourceConfig;
    readonly target: StageName;
    readonly stage: StageName;
    /** Loads among whose rows a key occurs once, in their order. */
    readonly together: readonly string[];
  },
): Promise<Settled> {
  const { resource, together } = work;
  const settled = { key: resource.primaryKey.join(', '), keyless: [], duplicates: [], displaced: 0 };
  if (resource.primaryKey.length === 0) return settled;
  const stage = qualified(work.stage.schema, work.stage.name);
  const target = qualified(work.target.schema, work.target.name);
  const key = resource.primaryKey.map(identifier);
  const numbers = async (statement: string, parameters: readonly unknown[] = []): Promise<number[]> =>
    (await session.query<{ row: number }>(`${statement} RETURNING s._row_number::float8 AS row`, parameters)).map(
      ({ row }) => row,
    );
  const keyless = await numbers(
    `DELETE FROM ${stage} AS s WHERE ${key.map((column) => `s.${column} IS NULL`).join(' OR ')}`,
  );
  const same = (one: string, other: string): string =>
    key.map((column) => `${one}.${column} = ${other}.${column}`).join(' AND ');
  const repeated = await numbers(
    `DELETE FROM ${stage} AS s WHERE EXISTS (SELECT 1 FROM ${stage} AS o WHERE ${same('o', 's')} AND o._row_number > s._row_number)`,
  );
  if (resource.write === 'merge') return { ...settled, keyless, duplicates: repeated };
  const place = (alias: string): string => `(array_position($1::bigint[], ${alias}._load_id), ${alias}._row_number)`;
  const late = await numbers(
    `DELETE FROM ${stage} AS s USING ${target} AS t
     WHERE ${same('t', 's')} AND t._load_id = ANY($1::bigint[]) AND ${place('t')} > ${place('s')}`,
    [together],
  );
  const displaced = await session.query<{ loadId: string; rows: number }>(
    `WITH gone AS (DELETE FROM ${target} AS t USING ${stage} AS s
       WHERE ${same('t', 's')} AND t._load_id = ANY($1::bigint[]) RETURNING t._load_id)
     SELECT _load_id AS "loadId", count(*)::float8 AS rows FROM gone GROUP BY _load_id`,
    [together],
  );
  for (const { loadId, rows } of displaced)
    await session.execute(
      'UPDATE plumbline.loads SET rows_loaded = rows_loaded - $2, rows_duplicate = rows_duplicate + $2 WHERE load_id = $1',
      [loadId, rows],
    );
  return {
    ...settled,
    keyless,
    duplicates: [...repeated, ...late],
    displaced: displaced.reduce((sum, { rows }) => sum + rows, 0),
  };
}

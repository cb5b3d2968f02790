import type { Session } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { cursorColumn } from '../cursor/cursor-column.js';
import type { RowFault } from '../read/row-fault.js';
import type { RowSource } from '../read/row-source.js';
import type { LoadColumn } from '../schema/column.js';
import { addRejects } from './rejects.js';
import { isGroupStage, type StageName } from './stage-table.js';

export interface KeyCheck {
  readonly session: Session;
  readonly stage: StageName;
  readonly columns: readonly LoadColumn[];
  readonly resource: ResourceConfig;
  /** The primary key was checked where the rows come from. */
  readonly keyIsProven: boolean;
  /** Columns that have no NULL, where that was counted when the rows were written. */
  readonly withoutNulls?: ReadonlySet<string> | undefined;
  /** Whose rows are looked at, each load for itself. */
  readonly loads: readonly CheckedLoad[];
}

export interface CheckedLoad extends Pick<RowSource, 'lineOf'> {
  readonly loadId: string;
  readonly path: string;
}

/** Rows of a load that left the stage for the quarantine. */
export interface TakenOut {
  readonly keyless: number;
  readonly duplicate: number;
}

/**
 * Takes rows without a key and all but the last of equal keys (with a cursor: all but the one furthest on) out of a stage. Gives the
 * counts by load; one that lost nothing is not among them. Runs in the caller's transaction.
 */
export async function checkKeys(check: KeyCheck): Promise<ReadonlyMap<string, TakenOut>> {
  const { resource, keyIsProven } = check;
  // A file without rows has no columns to look at.
  if (check.columns.length === 0) return new Map();
  const primaryKey = keyIsProven ? [] : resource.primaryKey;
  const keyless = byLoad([
    ...(await takeOutKeyless(check, primaryKey, 'primary key')),
    ...(await takeOutKeyless(check, resource.merge?.key ?? [], 'merge key')),
  ]);
  const duplicates = byLoad(await takeOutDuplicates(check, primaryKey));
  const taken = new Map<string, TakenOut>();
  for (const load of check.loads) {
    const rejected = faultsOf(load, keyless.get(load.loadId));
    const repeated = faultsOf(load, duplicates.get(load.loadId));
    if (rejected.length + repeated.length === 0) continue;
    await addRejects(check.session, load.loadId, load.path, 'rejected', rejected);
    await addRejects(check.session, load.loadId, load.path, 'duplicate', repeated);
    taken.set(load.loadId, { keyless: rejected.length, duplicate: repeated.length });
  }
  return taken;
}

interface TakenRow {
  readonly loadId: string;
  readonly row: number;
  readonly raw: string;
  readonly column: string;
  readonly reason: string;
}

async function takeOutKeyless(check: KeyCheck, key: readonly string[], name: string): Promise<TakenRow[]> {
  const { session, stage, columns, withoutNulls } = check;
  const doubtful = key.filter((column) => withoutNulls?.has(column) !== true);
  if (doubtful.length === 0) return [];
  const missing = doubtful.map((column) => `${identifier(column)} IS NULL`).join(' OR ');
  const { condition, parameters } = ofLoads(check);
  const rows = await session.query<Omit<TakenRow, 'column' | 'reason'>>(
    `DELETE FROM ${qualified(stage.schema, stage.name)} WHERE (${missing}) AND ${condition}
     RETURNING _load_id AS "loadId", _row_number::float8 AS row, ${rawRow(columns)} AS raw`,
    parameters,
  );
  return rows.map((row) => ({ ...row, column: key.join(', '), reason: `the ${name} is NULL` }));
}

async function takeOutDuplicates(check: KeyCheck, primaryKey: readonly string[]): Promise<TakenRow[]> {
  if (primaryKey.length === 0) return [];
  const { session, stage, columns, resource } = check;
  const table = qualified(stage.schema, stage.name);
  const { condition, parameters } = ofLoads(check);
  // Of one load it is the same everywhere; leaving it out saves the sort a column.
  const own = isGroupStage(stage) ? ['_load_id'] : [];
  const key = [...own, ...primaryKey.map(identifier)].join(', ');
  const repeated = await session.query(
    `SELECT 1 FROM ${table} WHERE ${condition} GROUP BY ${key} HAVING count(*) > 1 LIMIT 1`,
    parameters,
  );
  if (repeated.length === 0) return [];
  const cursor = cursorColumn(resource.cursor, new Map(columns.map(({ name, type }) => [name, type])), '');
  const order = `${cursor === undefined ? '' : `${cursor} DESC NULLS LAST, `}_row_number DESC`;
  const rows = await session.query<Omit<TakenRow, 'column' | 'reason'> & { readonly kept: number }>(
    `DELETE FROM ${table} AS gone USING (
       SELECT _load_id, _row_number, first_value(_row_number) OVER (PARTITION BY ${key} ORDER BY ${order}) AS kept
       FROM ${table} WHERE ${condition}) AS ranked
     WHERE gone._load_id = ranked._load_id AND gone._row_number = ranked._row_number AND ranked.kept <> ranked._row_number
     RETURNING gone._load_id AS "loadId", gone._row_number::float8 AS row, ranked.kept::float8 AS kept, ${rawRow(columns, 'gone.')} AS raw`,
    parameters,
  );
  return rows.map(({ kept, ...row }) => ({
    ...row,
    column: primaryKey.join(', '),
    reason: `the primary key comes again in row ${kept}, which is kept`,
  }));
}

function ofLoads({ stage, loads }: KeyCheck): { condition: string; parameters: unknown[] } {
  return isGroupStage(stage)
    ? { condition: '_load_id = ANY($1::bigint[])', parameters: [loads.map(({ loadId }) => loadId)] }
    : { condition: 'true', parameters: [] };
}

/** The values of a row as the quarantine keeps them. */
export function rawRow(columns: readonly LoadColumn[], prefix = ''): string {
  return `jsonb_build_array(${columns
    .slice(0, 100)
    .map(({ name }) => `${prefix}${identifier(name)}::text`)
    .join(', ')})::text`;
}

function byLoad(rows: readonly TakenRow[]): ReadonlyMap<string, readonly TakenRow[]> {
  const loads = new Map<string, TakenRow[]>();
  for (const row of rows) {
    const others = loads.get(row.loadId);
    if (others === undefined) loads.set(row.loadId, [row]);
    else others.push(row);
  }
  return loads;
}

function faultsOf({ lineOf }: CheckedLoad, rows: readonly TakenRow[] = []): RowFault[] {
  return rows.map(({ row, column, reason, raw }) => ({ row, line: lineOf(row), column, value: null, reason, raw }));
}

import type { Session } from '../../model/database.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import type { LedgerLine } from './ledger.js';
import { freshKeys, type Publishing } from './refuse-repeated-key.js';
import type { StageName } from './stage-table.js';

/** Rows of each load that made way for a later load's row with the same key. */
export type MadeWay = ReadonlyMap<string, number>;

/** Of rows with one key in a table of these loads, that of the later load stays. */
export async function keepLast(
  session: Session,
  table: StageName,
  primaryKey: readonly string[],
  lines: readonly LedgerLine[],
): Promise<MadeWay> {
  const name = qualified(table.schema, table.name);
  return deleteEarlier(session, [name], primaryKey, lines, `SELECT * FROM ${name}`);
}

/**
 * The same of the rows of an answer, in their stages and, of its loads that were published before, in the table: an API that moves while it is
 * read gives a row twice, which within one object of the landing zone is no fault either. Does nothing for files, whose keys are the user's to correct.
 */
export async function keepLastOfAnswer(session: Session, work: Publishing): Promise<MadeWay> {
  const { resource, target, lines, stages } = work;
  const { type, write, primaryKey } = resource;
  const there = lines.flatMap(({ loadId, status }) => (status === 'published' ? [BigInt(loadId)] : []));
  const isOne = stages.length === 0 || stages.length + there.length < 2;
  if (type !== 'http' || write !== 'append' || primaryKey.length === 0 || isOne) return new Map();
  const table = qualified(target.schema, target.name);
  const key = primaryKey.map(identifier).join(', ');
  const fresh = freshKeys(work);
  const former = `SELECT ${key}, _load_id, _row_number FROM ${table}
    WHERE _load_id IN (${there.join(', ')}) AND (${key}) IN (SELECT ${key} FROM (${fresh}) AS f)`;
  const rows = there.length === 0 ? fresh : `${fresh} UNION ALL ${former}`;
  const tables = stages.map((stage) => qualified(stage.table.schema, stage.table.name));
  return deleteEarlier(session, there.length === 0 ? tables : [table, ...tables], primaryKey, lines, rows);
}

/**
 * In one statement, which compares the rows once, however many tables they are in.
 *
 * @param tables where the rows are
 * @param rows a SELECT of the keys, `_load_id` and `_row_number` of the rows that are looked at
 */
async function deleteEarlier(
  session: Session,
  tables: readonly string[],
  primaryKey: readonly string[],
  lines: readonly LedgerLine[],
  rows: string,
): Promise<MadeWay> {
  const gone = tables.map(
    (table, index) => `gone_${index} AS (
       DELETE FROM ${table} AS t USING ranked
       WHERE t._load_id = ranked._load_id AND t._row_number = ranked._row_number AND ranked.place > 1 RETURNING t._load_id)`,
  );
  const all = tables.map((_, index) => `SELECT _load_id FROM gone_${index}`).join(' UNION ALL ');
  const found = await session.query<{ loadId: string; rows: number }>(
    `WITH ranked AS (
       SELECT r._load_id, r._row_number, row_number() OVER (PARTITION BY ${primaryKey.map((name) => `r.${identifier(name)}`).join(', ')}
         ORDER BY l.turn DESC, r._row_number DESC) AS place
       FROM (${rows}) AS r JOIN unnest($1::bigint[]) WITH ORDINALITY AS l (load_id, turn) ON l.load_id = r._load_id),
     ${gone.join(', ')}
     SELECT _load_id AS "loadId", count(*)::float8 AS rows FROM (${all}) AS gone GROUP BY _load_id`,
    [lines.map(({ loadId }) => loadId)],
  );
  return new Map(found.map(({ loadId, rows: made }) => [loadId, made]));
}

/** Writes them into the ledger, as duplicates. Gives their sum. */
export async function countMadeWay(session: Session, madeWay: MadeWay): Promise<number> {
  if (madeWay.size > 0)
    await session.execute(
      `UPDATE plumbline.loads AS l SET rows_loaded = rows_loaded - rows, rows_duplicate = rows_duplicate + rows
       FROM unnest($1::bigint[], $2::bigint[]) AS gone (load_id, rows) WHERE l.load_id = gone.load_id`,
      [[...madeWay.keys()], [...madeWay.values()]],
    );
  return [...madeWay.values()].reduce((sum, rows) => sum + rows, 0);
}

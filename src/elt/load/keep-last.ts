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
  return deleteEarlier(session, name, primaryKey, lines, `SELECT * FROM ${name}`);
}

/**
 * The same of the rows of an answer, in their stages and, of its loads that were published before, in the table: an API that moves while it is
 * read gives a row twice, which within one object of the landing zone is no fault either. Does nothing for files, whose keys are the user's to correct.
 */
export async function keepLastOfAnswer(session: Session, work: Publishing): Promise<MadeWay> {
  const { resource, target, lines, stages } = work;
  const { type, write, primaryKey } = resource;
  const madeWay = new Map<string, number>();
  const there = lines.flatMap(({ loadId, status }) => (status === 'published' ? [BigInt(loadId)] : []));
  const isOne = stages.length === 0 || stages.length + there.length < 2;
  if (type !== 'http' || write !== 'append' || primaryKey.length === 0 || isOne) return madeWay;
  const table = qualified(target.schema, target.name);
  const key = primaryKey.map(identifier).join(', ');
  const fresh = freshKeys(work);
  const former = `SELECT ${key}, _load_id, _row_number FROM ${table}
    WHERE _load_id IN (${there.join(', ')}) AND (${key}) IN (SELECT ${key} FROM (${fresh}) AS f)`;
  const rows = there.length === 0 ? fresh : `${fresh} UNION ALL ${former}`;
  const tables = stages.map((stage) => qualified(stage.table.schema, stage.table.name));
  for (const name of there.length === 0 ? tables : [table, ...tables])
    for (const [loadId, gone] of await deleteEarlier(session, name, primaryKey, lines, rows)) madeWay.set(loadId, gone);
  return madeWay;
}

/** @param rows a SELECT of the keys, `_load_id` and `_row_number` of the rows that are looked at */
async function deleteEarlier(
  session: Session,
  table: string,
  primaryKey: readonly string[],
  lines: readonly LedgerLine[],
  rows: string,
): Promise<MadeWay> {
  const gone = await session.query<{ loadId: string; rows: number }>(
    `WITH gone AS (
       DELETE FROM ${table} AS t USING (
         SELECT _load_id, _row_number, row_number() OVER (PARTITION BY ${primaryKey.map(identifier).join(', ')}
           ORDER BY array_position($1::bigint[], _load_id) DESC, _row_number DESC) AS place FROM (${rows}) AS r) AS ranked
       WHERE t._load_id = ranked._load_id AND t._row_number = ranked._row_number AND ranked.place > 1
       RETURNING t._load_id)
     SELECT _load_id AS "loadId", count(*)::float8 AS rows FROM gone GROUP BY _load_id`,
    [lines.map(({ loadId }) => loadId)],
  );
  return new Map(gone.map(({ loadId, rows: made }) => [loadId, made]));
}

/** Writes them into the ledger, as duplicates. Gives their sum. */
export async function countMadeWay(session: Session, madeWay: MadeWay): Promise<number> {
  for (const [loadId, rows] of madeWay)
    await session.execute(
      'UPDATE plumbline.loads SET rows_loaded = rows_loaded - $2, rows_duplicate = rows_duplicate + $2 WHERE load_id = $1',
      [loadId, rows],
    );
  return [...madeWay.values()].reduce((sum, rows) => sum + rows, 0);
}

/**
 * Loads among these that are published and not whole, as a row of theirs made way for another load's: what became of that load decides
 * whether it comes back, so they are to be read anew when their table changes. Duplicates within a load are in its quarantine. One whose
 * quarantined rows were put right stays as it is: read anew, it would lose them.
 */
export async function shortened(
  session: Session,
  lines: readonly Pick<LedgerLine, 'loadId' | 'status' | 'rowsDuplicate'>[],
): Promise<ReadonlySet<string>> {
  const ids = lines.flatMap((line) => (line.status === 'published' && line.rowsDuplicate > 0 ? [line.loadId] : []));
  if (ids.length === 0) return new Set();
  const found = await session.query<{ loadId: string }>(
    `SELECT load_id AS "loadId" FROM plumbline.loads AS l WHERE load_id = ANY($1::bigint[])
       AND rows_duplicate > (SELECT count(*) FROM plumbline.rejects AS r WHERE r.load_id = l.load_id AND kind = 'duplicate')
       AND NOT EXISTS (SELECT FROM plumbline.reject_retries AS r WHERE r.load_id = l.load_id AND rows_accepted > 0)`,
    [ids],
  );
  return new Set(found.map(({ loadId }) => loadId));
}

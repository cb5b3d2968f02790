import type { Session } from '../../model/database.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import type { LoadColumn } from '../schema/column.js';
import type { StillWrong } from './corrected-rows.js';
import { valuesOf } from './quarantined-row.js';
import type { Settled } from './settle-duplicates.js';
import type { StageName } from './stage-table.js';

/**
 * Gives rows that are still wrong their new reasons, and takes rows out of the stage that are not quarantined: another
 * retry has brought them in. Gives how many are not, of the wrong ones and of all.
 */
export async function keepQuarantined(
  session: Session,
  loadId: string,
  stage: StageName,
  wrong: readonly StillWrong[],
): Promise<{ readonly wrong: number; readonly all: number }> {
  const gone = await session.execute(
    `DELETE FROM ${qualified(stage.schema, stage.name)} AS s WHERE NOT EXISTS (
       SELECT 1 FROM plumbline.rejects r WHERE r.load_id = $1 AND r.row_number = s._row_number AND r.kind = 'rejected')`,
    [loadId],
  );
  const kept = await giveReasons(session, loadId, wrong);
  return { wrong: wrong.length - kept, all: gone + wrong.length - kept };
}

/**
 * Takes out of the stage the rows without any value of which only the text was kept: in the exported file their columns are
 * empty, and nobody has filled them in. They stay quarantined as they are. Gives how many.
 */
export async function leaveUntouched(
  session: Session,
  loadId: string,
  stage: StageName,
  columns: readonly LoadColumn[],
): Promise<number> {
  const table = qualified(stage.schema, stage.name);
  const isEmpty = columns.map(({ name }) => `s.${identifier(name)} IS NULL`).join(' AND ');
  const empty = await session.query<{ row: string; raw: string | null }>(
    `SELECT s._row_number AS row, r.raw FROM ${table} AS s JOIN plumbline.rejects r ON r.load_id = $1 AND r.row_number = s._row_number
     WHERE r.kind = 'rejected' AND ${isEmpty}`,
    [loadId],
  );
  const untouched = empty.filter((row) => valuesOf(row, columns) === undefined).map(({ row }) => row);
  if (untouched.length === 0) return 0;
  return session.execute(`DELETE FROM ${table} WHERE _row_number = ANY($1::bigint[])`, [untouched]);
}

/** Rows that are accepted leave the quarantine; those that a later row makes superfluous stay as duplicates. */
export async function takeFromQuarantine(
  session: Session,
  loadId: string,
  stage: StageName,
  settled: Settled,
): Promise<{ readonly accepted: number; readonly duplicate: number }> {
  await giveReasons(
    session,
    loadId,
    settled.keyless.map((row) => ({ row, column: settled.key, value: null, reason: 'the primary key is NULL' })),
  );
  const duplicate = await session.execute(
    `UPDATE plumbline.rejects SET kind = 'duplicate', column_name = $3, value = NULL, reason = 'a later row has the same primary key'
     WHERE load_id = $1 AND kind = 'rejected' AND row_number = ANY($2::bigint[])`,
    [loadId, [...settled.duplicates], settled.key],
  );
  const accepted = await session.execute(
    `DELETE FROM plumbline.rejects AS r USING ${qualified(stage.schema, stage.name)} AS s
     WHERE r.load_id = $1 AND r.row_number = s._row_number AND r.kind = 'rejected'`,
    [loadId],
  );
  return { accepted, duplicate };
}

async function giveReasons(session: Session, loadId: string, rows: readonly StillWrong[]): Promise<number> {
  if (rows.length === 0) return 0;
  return session.execute(
    `UPDATE plumbline.rejects AS r SET column_name = w."column", value = w.value, reason = w.reason
     FROM jsonb_to_recordset($2) AS w (row bigint, "column" text, value text, reason text)
     WHERE r.load_id = $1 AND r.row_number = w.row AND r.kind = 'rejected'`,
    [loadId, JSON.stringify(rows)],
  );
}

import type { Session } from '../../model/database.js';
import { qualified } from '../../model/sql-identifier.js';
import type { StillWrong } from './corrected-rows.js';
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

import type { Session } from '../../model/database.js';
import type { RowFault } from '../read/row-fault.js';

/** Quarantines rows. Runs in the caller's transaction. */
export async function addRejects(
  session: Session,
  loadId: string,
  file: string,
  kind: 'rejected' | 'duplicate',
  faults: readonly RowFault[],
): Promise<void> {
  for (let start = 0; start < faults.length; start += ROWS_PER_STATEMENT) {
    const rows = faults.slice(start, start + ROWS_PER_STATEMENT);
    await session.execute(
      `INSERT INTO plumbline.rejects (load_id, row_number, kind, file, line, column_name, value, reason, raw)
       SELECT $1, row, $2, $3, line, "column", value, reason, raw
       FROM jsonb_to_recordset($4) AS r (row bigint, line bigint, "column" text, value text, reason text, raw text)`,
      [loadId, kind, file, JSON.stringify(rows)],
    );
  }
}

const ROWS_PER_STATEMENT = 1_000;

/** The first quarantined rows of a load, for a message. */
export async function firstRejects(
  session: Session,
  loadId: string,
): Promise<{ line: number | null; row: number; column: string | null; value: string | null; reason: string }[]> {
  return session.query(
    `SELECT line::float8 AS line, row_number::float8 AS row, column_name AS "column", left(value, 80) AS value, reason
     FROM plumbline.rejects WHERE load_id = $1 AND kind = 'rejected' ORDER BY row_number LIMIT 3`,
    [loadId],
  );
}

import { childTables } from '../../model/child-tables.js';
import type { Session } from '../../model/database.js';
import { qualified } from '../../model/sql-identifier.js';
import { rawRow } from '../load/check-keys.js';
import { loadsById, type ChildStage } from '../load/ledger.js';
import { addRejects } from '../load/rejects.js';
import { keptText, type RowFault } from '../read/row-fault.js';
import { deleteOrphans } from './publish-child-rows.js';
import { stageChildren, type ChildWork, type ParentFault } from './stage-children.js';

/**
 * Stages the child tables of a load whose rows are all in its stage, in the transaction that finishes it. Rows that an element makes
 * impossible go into the quarantine as a whole; gives their number. Throws what `stageChildren` does.
 *
 * @param work.refused rows with an element that PostgreSQL refused in an earlier try
 */
export async function finishChildren(
  work: ChildWork & {
    readonly lineOf: (row: number) => number | null;
    readonly refused?: ReadonlyMap<number, RowFault> | undefined;
  },
): Promise<number> {
  const { session, resource, loadId, refused, columns } = work;
  if (resource.children === undefined || columns.length === 0) return 0;
  const before = await quarantine(work, [...(refused?.values() ?? [])]);
  const { stages, faults, discarded, notices } = await stageChildren(work);
  const after = await quarantine(work, faults);
  await session.execute(
    `UPDATE plumbline.loads SET reader = reader || jsonb_build_object('children', $2::jsonb, 'notices', (reader -> 'notices') || $3::jsonb),
       discarded = discarded || $4::jsonb WHERE load_id = $1`,
    [loadId, JSON.stringify(stages), JSON.stringify(notices), JSON.stringify(discarded)],
  );
  return before + after;
}

/** Child rows of rows that have left the load's stage since leave theirs. */
export async function leaveOutOrphans(
  session: Session,
  of: Pick<ChildWork, 'resource' | 'schemas' | 'stage' | 'loadId'>,
): Promise<void> {
  const { resource, schemas, stage, loadId } = of;
  if (resource.children === undefined) return;
  const line = (await loadsById(session, [loadId]))[0];
  const stages: ChildStage[] = [];
  for (const child of childTables(resource)) {
    const made = line?.reader?.children?.find(({ target }) => target === child.table);
    if (made === undefined) continue;
    const gone = await deleteOrphans(session, child, { schema: schemas.stage, name: made.table }, stage);
    stages.push({ ...made, rows: made.rows - gone });
  }
  await session.execute(
    `UPDATE plumbline.loads SET reader = jsonb_set(reader, '{children}', $2::jsonb) WHERE load_id = $1`,
    [loadId, JSON.stringify(stages)],
  );
}

async function quarantine(work: Parameters<typeof finishChildren>[0], faults: readonly ParentFault[]): Promise<number> {
  let rows = 0;
  for (let start = 0; start < faults.length; start += ROWS_PER_STATEMENT)
    rows += await quarantineSome(work, faults.slice(start, start + ROWS_PER_STATEMENT));
  return rows;
}

const ROWS_PER_STATEMENT = 1_000;
/** Characters of a row that is kept whole, so that it can be retried as it is. */
const MAX_RAW = 1 << 16;

async function quarantineSome(
  { session, stage, columns, loadId, file, lineOf }: Parameters<typeof finishChildren>[0],
  faults: readonly ParentFault[],
): Promise<number> {
  const gone = await session.query<{ row: number; raw: string }>(
    `DELETE FROM ${qualified(stage.schema, stage.name)} WHERE _row_number = ANY($1::bigint[])
     RETURNING _row_number::float8 AS row, ${rawRow(columns)} AS raw`,
    [faults.map(({ row }) => row)],
  );
  const faultOf = new Map(faults.map((fault) => [fault.row, fault]));
  const rejects = gone
    .sort((one, other) => one.row - other.row)
    .map(({ row, raw }): RowFault => {
      const { column, value, reason } = faultOf.get(row)!;
      return { row, line: lineOf(row), column, value, reason, raw: raw.length > MAX_RAW ? keptText(raw) : raw };
    });
  await addRejects(session, loadId, file, 'rejected', rejects);
  return rejects.length;
}

import type { Session } from '../../model/database.js';
import { qualified } from '../../model/sql-identifier.js';
import { rawRow } from '../load/check-keys.js';
import { failLoad } from '../load/fail-load.js';
import type { FinishContext } from '../load/finish-load.js';
import { LoadFencedError } from '../load/load-fenced-error.js';
import { mostRejected } from '../load/most-rejected.js';
import { loadsById } from '../load/ledger.js';
import { addRejects } from '../load/rejects.js';
import { keptText, type RowFault } from '../read/row-fault.js';
import type { LoadColumn } from '../schema/column.js';
import { stageChildren, withoutOrphans, type ChildWork, type ParentFault } from './stage-children.js';

/**
 * Stages the child tables of a load whose rows are all in its stage; another attempt goes on behind the last one that is complete. Rows that an
 * element makes impossible go into the quarantine as a whole, with the chunk of elements that tells. Throws `ELT_TOO_MANY_REJECTS` as soon as
 * there are too many, LoadFencedError, and what `stageChildren` does.
 */
export async function stageElements(context: FinishContext, columns: readonly LoadColumn[]): Promise<void> {
  const { options, session, loadId, token, stage, source, duckdb, chunkRows } = context;
  const { resource, schemas, object, signal } = options;
  const line = (await loadsById(session, [loadId]))[0];
  let rejected = line?.rowsRejected ?? 0;
  /** The ledger's compare-and-set, last in each transaction. */
  const count = async (rows: number): Promise<void> => {
    const changed = await session.execute(
      `UPDATE plumbline.loads SET rows_loaded = rows_loaded - $3, rows_rejected = rows_rejected + $3
       WHERE load_id = $1 AND token = $2 AND status = 'loading' AND next_row = $4`,
      [loadId, token, rows, source.rows + 1],
    );
    if (changed !== 1) throw new LoadFencedError(`Load ${loadId} of ${object.path}`, { loadId });
  };
  await stageChildren({
    session,
    resource,
    schemas,
    stage,
    columns,
    loadId,
    file: object.path,
    staged: line?.reader?.children ?? [],
    duckdb,
    chunkRows,
    signal,
    async takeOut(faults) {
      const rows = await quarantine(context, columns, faults);
      await count(rows);
      rejected += rows;
    },
    async keep(stages, { notices, discarded }) {
      await session.execute(
        `UPDATE plumbline.loads SET reader = reader || jsonb_build_object('children', $2::jsonb, 'notices', (reader -> 'notices') || $3::jsonb),
           discarded = discarded || $4::jsonb WHERE load_id = $1`,
        [loadId, JSON.stringify(stages), JSON.stringify(notices), JSON.stringify(discarded)],
      );
      await count(0);
    },
    async goOn() {
      if (rejected > mostRejected(resource, source.rows)) throw await failLoad(context, rejected);
    },
  });
}

/** Child rows of rows that have left the load's stage since leave theirs. */
export async function leaveOutOrphans(
  session: Session,
  of: Pick<ChildWork, 'resource' | 'schemas' | 'stage' | 'loadId'>,
): Promise<void> {
  const { resource, schemas, stage, loadId } = of;
  if (resource.children === undefined) return;
  const line = (await loadsById(session, [loadId]))[0];
  const stages = await withoutOrphans(session, { resource, schemas, stage }, line?.reader?.children ?? []);
  await session.execute(
    `UPDATE plumbline.loads SET reader = jsonb_set(reader, '{children}', $2::jsonb) WHERE load_id = $1`,
    [loadId, JSON.stringify(stages)],
  );
}

async function quarantine(
  context: FinishContext,
  columns: readonly LoadColumn[],
  faults: readonly ParentFault[],
): Promise<number> {
  let rows = 0;
  for (let start = 0; start < faults.length; start += ROWS_PER_STATEMENT)
    rows += await quarantineSome(context, columns, faults.slice(start, start + ROWS_PER_STATEMENT));
  return rows;
}

const ROWS_PER_STATEMENT = 1_000;
/** Characters of a row that is kept whole, so that it can be retried as it is. */
const MAX_RAW = 1 << 16;

async function quarantineSome(
  { session, stage, loadId, source, options }: FinishContext,
  columns: readonly LoadColumn[],
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
      return { row, line: source.lineOf(row), column, value, reason, raw: raw.length > MAX_RAW ? keptText(raw) : raw };
    });
  await addRejects(session, loadId, options.object.path, 'rejected', rejects);
  return rejects.length;
}

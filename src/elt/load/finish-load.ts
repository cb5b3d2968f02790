import { TerminalError, type PipelineError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import { jsonb } from '../../model/jsonb.js';
import { qualified } from '../../model/sql-identifier.js';
import { dropUnlessInUse } from '../publish/drop-unless-in-use.js';
import { takeOutForgotten } from '../forget/take-out-forgotten.js';
import { finishChildren, leaveOutOrphans } from '../nested/finish-children.js';
import type { OpenDuckDB } from '../read/duckdb.js';
import type { RowFault } from '../read/row-fault.js';
import type { RowSource } from '../read/row-source.js';
import type { LoadColumn } from '../schema/column.js';
import { leaveOutOutside } from './leave-out-outside.js';
import { loadsById, type LedgerLine } from './ledger.js';
import { LoadFencedError } from './load-fenced-error.js';
import type { ClaimOptions } from './claim-load.js';
import { checkKeys } from './check-keys.js';
import { mostRejected } from './most-rejected.js';
import { firstRejects } from './rejects.js';
import type { StageName } from './stage-table.js';
import { plural } from '../../model/plural.js';

export interface FinishContext {
  readonly options: Pick<ClaimOptions, 'env' | 'project' | 'resource' | 'object' | 'schemas' | 'signal'>;
  readonly session: Session;
  readonly loadId: string;
  readonly token: string;
  readonly stage: StageName;
  readonly source: Pick<RowSource, 'rows' | 'lineOf'>;
  /** The primary key was checked where the rows come from. @default false */
  readonly keyIsProven?: boolean;
  /** See `KeyCheck`. */
  readonly withoutNulls?: ReadonlySet<string>;
  /** Rows with an element that PostgreSQL refused in an earlier try. */
  readonly refused?: ReadonlyMap<number, RowFault>;
  /** What has read the rows, for their elements. */
  readonly duckdb?: OpenDuckDB;
}

/**
 * Takes rows of forgotten keys and of another interval, stages the child tables, takes rows without a key and all but the last of equal keys (with a cursor: all but the one furthest on) out of the stage, checks that every row read is accounted for, and
 * marks the load as staged, in one transaction, which `before` begins. Throws `ELT_TOO_MANY_REJECTS`, `ELT_ROW_COUNT`, `ELT_INTERVAL_…`,
 * LoadFencedError, and what `stageChildren` does.
 */
export async function finishLoad(
  context: FinishContext,
  columns: readonly LoadColumn[],
  before?: () => Promise<void>,
): Promise<LedgerLine> {
  const { options, session, loadId, token, stage, source } = context;
  const { resource, object } = options;
  let excess: number | undefined;
  const finished = await session.transaction(async () => {
    await before?.();
    const { env, project } = options;
    const table = qualified(stage.schema, stage.name);
    const forgotten = await takeOutForgotten(session, { env, project, personal: resource.personal ?? [], stage: table, loadId, columns }); // prettier-ignore
    const outside = await leaveOutOutside(session, options, context.stage, columns);
    const { schemas } = options;
    // First: of equal keys the last row that can be loaded stays.
    const unfit = await finishChildren({ session, resource, schemas, stage, columns, loadId, file: object.path, lineOf: source.lineOf, refused: context.refused, duckdb: context.duckdb, signal: options.signal }); // prettier-ignore
    const taken = await checkKeys({
      session,
      stage: context.stage,
      columns,
      resource,
      keyIsProven: context.keyIsProven === true,
      withoutNulls: context.withoutNulls,
      loads: [{ loadId, path: object.path, lineOf: source.lineOf }],
    });
    const { keyless = 0, duplicate = 0 } = taken.get(loadId) ?? {};
    if (taken.size > 0) await leaveOutOrphans(session, { resource, schemas, stage, loadId });
    const changed = await session.execute(
      `UPDATE plumbline.loads SET status = 'staged', staged_at = now(), rows_loaded = rows_loaded - $3 - $4 - $6 - $7,
         rows_rejected = rows_rejected + $3 - $8, rows_duplicate = $4, rows_outside = $6, rows_forgotten = $7::bigint + $8::bigint
       WHERE load_id = $1 AND token = $2 AND status = 'loading' AND next_row = $5`,
      [loadId, token, keyless + unfit, duplicate, source.rows + 1, outside, forgotten.rows, forgotten.rejects],
    );
    if (changed !== 1) throw new LoadFencedError(`Load ${loadId} of ${object.path}`, { loadId });
    const line = (await loadsById(session, [loadId]))[0]!;
    await checkRowCount(context, line);
    if (line.rowsRejected > mostRejected(resource, line.rowsRead)) excess = line.rowsRejected;
    return line;
  });
  if (excess !== undefined) throw await failLoad(context, excess);
  return finished;
}

/** Marks the load as failed and drops its stage; its quarantined rows stay to be looked at. Gives the error to throw. */
export async function failLoad(context: FinishContext, rejected: number): Promise<PipelineError> {
  const { options, session, loadId, token, stage, source } = context;
  const { object, resource } = options;
  const error = await tooManyRejects(context, rejected);
  const children = (await loadsById(session, [loadId]))[0]?.reader?.children ?? [];
  const changed = await session.execute(
    `UPDATE plumbline.loads SET status = 'failed', stage_table = NULL, error = $3
     WHERE load_id = $1 AND token = $2 AND status IN ('loading', 'staged')`,
    [
      loadId,
      token,
      jsonb({
        code: error.code,
        message: error.message,
        rowsTotal: source.rows,
        maxRejectedShare: resource.maxRejectedShare,
      }),
    ],
  );
  if (changed !== 1) throw new LoadFencedError(`Load ${loadId} of ${object.path}`, { loadId });
  // On this connection, which a successor ends first: it may have made a stage of that name.
  for (const name of [stage.name, ...children.map(({ table }) => table)])
    await dropUnlessInUse(session, { schema: stage.schema, name, kind: 'r' });
  return error;
}

async function tooManyRejects(
  { options, session, loadId, source }: FinishContext,
  rejected: number,
): Promise<TerminalError> {
  const { object, resource, schemas } = options;
  const first = await firstRejects(session, loadId);
  const shown = first.map(({ line, row, column, value, reason }) => {
    const place = line === null ? `row ${row}` : `line ${line}`;
    return column === null
      ? `${place}: ${reason}`
      : `${place}, column ${JSON.stringify(column)}: got ${JSON.stringify(value)}, ${reason}`;
  });
  const line = first[0]?.line ?? undefined;
  return new TerminalError(
    'ELT_TOO_MANY_REJECTS',
    `Loading ${object.path} into ${schemas.raw}.${resource.table} stopped: ${rejected} of its ${source.rows} ${plural(source.rows, 'row was', 'rows were')} refused, ` +
      `expected at most ${(100 * resource.maxRejectedShare).toLocaleString('en')} %${resource.maxRejectedShare * source.rows < mostRejected(resource, source.rows) ? ' or one' : ''}. First ones: ${shown.join('; ')}.`,
    {
      details: { loadId, rejected, rows: source.rows, maxRejectedShare: resource.maxRejectedShare, first },
      at: { file: object.path, ...(line !== undefined && { line }) },
      next: 'Correct the rows, or give the column another type under `columns`, or raise `max_rejected`. The table keeps its former rows.',
    },
  );
}

async function checkRowCount(
  { options, session, stage, source, loadId }: FinishContext,
  line: LedgerLine,
): Promise<void> {
  const table = qualified(stage.schema, stage.name);
  const [counted] = await session.query<{ rows: string }>(`SELECT count(*) AS rows FROM ${table}`);
  const accounted = line.rowsLoaded + line.rowsRejected + line.rowsDuplicate + line.rowsOutside + line.rowsForgotten;
  if (line.rowsRead === source.rows && accounted === line.rowsRead && Number(counted?.rows) === line.rowsLoaded) return;
  throw new TerminalError(
    'ELT_ROW_COUNT',
    `Loading ${options.object.path} failed: ${source.rows} ${plural(source.rows, 'row is', 'rows are')} in the file, ${line.rowsRead} were read, ${line.rowsLoaded} loaded, ` +
      `${line.rowsRejected} rejected, ${line.rowsDuplicate} duplicate, ${line.rowsOutside} outside, ${line.rowsForgotten} forgotten; ${counted?.rows} are in the stage.`,
    { details: { loadId }, next: 'Run again with --force; if it happens again, report it with the file.' },
  );
}

import { TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import { plural } from '../../model/plural.js';
import { qualified } from '../../model/sql-identifier.js';
import { takeOutForgotten } from '../forget/take-out-forgotten.js';
import { leaveOutOrphans, stageElements } from '../nested/stage-elements.js';
import type { OpenDuckDB } from '../read/duckdb.js';
import type { RowSource } from '../read/row-source.js';
import type { LoadColumn } from '../schema/column.js';
import { checkKeys } from './check-keys.js';
import type { ClaimOptions } from './claim-load.js';
import { countRows } from './count-rows.js';
import { failLoad } from './fail-load.js';
import { leaveOutOutside } from './leave-out-outside.js';
import { loadsById, type LedgerLine } from './ledger.js';
import { LoadFencedError } from './load-fenced-error.js';
import { mostRejected } from './most-rejected.js';
import type { StageName } from './stage-table.js';

export interface FinishContext {
  readonly options: Pick<ClaimOptions, 'env' | 'project' | 'resource' | 'object' | 'schemas' | 'signal'>;
  readonly session: Session;
  readonly loadId: string;
  readonly token: string;
  readonly stage: StageName;
  readonly source: Pick<RowSource, 'rows' | 'lineOf'> & Partial<Pick<RowSource, 'dialect'>>;
  /** Of forgotten keys, before the source was read. @default 0 */
  readonly rowsTakenOut?: number;
  /**
   * Rows that PostgreSQL says it has copied into the stage, where this attempt copied all of them: when the ledger says the same, they are not
   * counted again. @default the stage is read
   */
  readonly rowsCopied?: number | undefined;
  /** The primary key was checked where the rows come from. @default false */
  readonly keyIsProven?: boolean;
  /** See `KeyCheck`. */
  readonly withoutNulls?: ReadonlySet<string>;
  /** What has read the rows, for their elements. */
  readonly duckdb?: OpenDuckDB;
  /** Elements a transaction. @default as rows */
  readonly chunkRows?: number | undefined;
}

/**
 * Takes rows of forgotten keys and of another interval, rows without a key and all but the last of equal keys (with a cursor: all but the one
 * furthest on) out of the stage, checks that every row read is accounted for, and marks the load as staged, in one transaction, which `before`
 * begins. Where there are child tables, their elements are staged before it, when the rows that nobody wants are gone. Throws
 * `ELT_TOO_MANY_REJECTS`, `ELT_ROW_COUNT`, `ELT_INTERVAL_…`, LoadFencedError, and what `stageElements` does.
 */
export async function finishLoad(
  context: FinishContext,
  columns: readonly LoadColumn[],
  before?: () => Promise<void>,
): Promise<LedgerLine> {
  const { options, session, loadId, token, stage, source, rowsTakenOut = 0 } = context;
  const { resource, object, schemas } = options;
  // An object without rows has no columns.
  const hasElements = resource.children !== undefined && columns.length > 0;
  if (hasElements) {
    await session.transaction(() => takeOutUnwanted(context, columns));
    // Before equal keys are looked for: of them the last row that can be loaded stays.
    await stageElements(context, columns);
  }
  let excess: number | undefined;
  const finished = await session.transaction(async () => {
    await before?.();
    if (!hasElements) await takeOutUnwanted(context, columns);
    const taken = await checkKeys({
      session,
      stage,
      columns,
      resource,
      keyIsProven: context.keyIsProven === true,
      withoutNulls: context.withoutNulls,
      loads: [{ loadId, path: object.path, lineOf: source.lineOf }],
    });
    const { keyless = 0, duplicate = 0 } = taken.get(loadId) ?? {};
    if (taken.size > 0) await leaveOutOrphans(session, { resource, schemas, stage, loadId });
    const changed = await session.execute(
      `UPDATE plumbline.loads SET status = 'staged', staged_at = now(), rows_loaded = rows_loaded - $3 - $4,
         rows_rejected = rows_rejected + $3, rows_duplicate = $4, rows_read = rows_read + $6, rows_forgotten = rows_forgotten + $6
       WHERE load_id = $1 AND token = $2 AND status = 'loading' AND next_row = $5`,
      [loadId, token, keyless, duplicate, source.rows + 1, rowsTakenOut],
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

/** Rows of forgotten keys and of another interval leave the stage. Another attempt finds none, and counts none twice. */
async function takeOutUnwanted(context: FinishContext, columns: readonly LoadColumn[]): Promise<void> {
  const { options, session, loadId, token, stage } = context;
  const { env, project, resource, object } = options;
  const table = qualified(stage.schema, stage.name);
  const forgotten = await takeOutForgotten(session, { env, project, personal: resource.personal ?? [], stage: table, loadId, columns }); // prettier-ignore
  const outside = await leaveOutOutside(session, options, stage, columns);
  if (forgotten.rows + forgotten.rejects + outside === 0) return;
  const changed = await session.execute(
    `UPDATE plumbline.loads SET rows_loaded = rows_loaded - $3 - $4, rows_outside = rows_outside + $4,
       rows_rejected = rows_rejected - $5, rows_forgotten = rows_forgotten + $3 + $5
     WHERE load_id = $1 AND token = $2 AND status = 'loading'`,
    [loadId, token, forgotten.rows, outside, forgotten.rejects],
  );
  if (changed !== 1) throw new LoadFencedError(`Load ${loadId} of ${object.path}`, { loadId });
}

async function checkRowCount(
  { options, session, stage, source, loadId, rowsTakenOut = 0, rowsCopied }: FinishContext,
  line: LedgerLine,
): Promise<void> {
  const staged = rowsCopied === line.rowsLoaded ? rowsCopied : await countRows(session, stage);
  const accounted = line.rowsLoaded + line.rowsRejected + line.rowsDuplicate + line.rowsOutside + line.rowsForgotten;
  const expected = source.rows + rowsTakenOut;
  if (line.rowsRead === expected && accounted === line.rowsRead && staged === line.rowsLoaded) return;
  throw new TerminalError(
    'ELT_ROW_COUNT',
    `Loading ${options.object.path} failed: ${expected} ${plural(expected, 'row is', 'rows are')} in the file, ${line.rowsRead} were read, ${line.rowsLoaded} loaded, ` +
      `${line.rowsRejected} rejected, ${line.rowsDuplicate} duplicate, ${line.rowsOutside} outside, ${line.rowsForgotten} forgotten; ${staged} are in the stage.`,
    { details: { loadId }, next: 'Run again with --force; if it happens again, report it with the file.' },
  );
}

import { failpoint } from '../../failpoint.js';
import { childTables, type ChildTable } from '../../model/child-tables.js';
import type { Session } from '../../model/database.js';
import type { ResourceConfig, Schemas } from '../../model/project.js';
import { qualified } from '../../model/sql-identifier.js';
import { countRows } from '../load/count-rows.js';
import type { ChildStage } from '../load/ledger.js';
import type { StageName } from '../load/stage-table.js';
import type { OpenDuckDB } from '../read/duckdb.js';
import type { RowFault } from '../read/row-fault.js';
import type { LoadColumn } from '../schema/column.js';
import { keyColumns, rootRow } from './child-columns.js';
import { loadElements, type ElementSource } from './load-elements.js';

/** What a row of the stage cannot be because of one of its elements. */
export type ParentFault = Pick<RowFault, 'row' | 'column' | 'value' | 'reason'>;

export interface StagedChildren {
  readonly stages: readonly ChildStage[];
  /** Rows of `stage` that an element makes impossible, each once; they have no child rows. */
  readonly faults: readonly ParentFault[];
  /** Values that the contract dropped, by column: `lines.qty`. */
  readonly discarded: Readonly<Record<string, number>>;
  /** Renamed columns, misfits: one sentence each. */
  readonly notices: readonly string[];
}

export interface ChildWork {
  readonly session: Session;
  readonly resource: ResourceConfig;
  readonly schemas: Schemas;
  /** Complete, with the nested columns. */
  readonly stage: StageName;
  readonly columns: readonly LoadColumn[];
  readonly loadId: string;
  /** As the project names it. */
  readonly file: string;
  /** One that is open already. @default one of its own for each child table */
  readonly duckdb?: OpenDuckDB | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a stage for each child table of the elements that a stage's rows have, in the caller's transaction: typed, checked and
 * written by what reads files of JSON. Throws what `planReader` does, `ELT_CHILD_TABLE`, and RefusedRow, whose fault is about the row of `stage`.
 */
export async function stageChildren(work: ChildWork): Promise<StagedChildren> {
  const { resource, columns, stage } = work;
  const typed = new Map(columns.map(({ name, type }) => [name, type]));
  const key = keyColumns(resource, typed);
  const tables = new Map<ChildTable | undefined, ElementSource>();
  tables.set(undefined, { stage, columns: typed });
  const made: { child: ChildTable; stage: StageName; columns: readonly LoadColumn[] }[] = [];
  const faults = new Map<number, ParentFault>();
  const discarded: Record<string, number> = {};
  const notices: string[] = [];
  const idle = await mayBeIdle(work.session);
  for (const child of childTables(resource)) {
    const loaded = await loadElements(work, child, key, tables.get(child.parent)!);
    made.push({ child, ...loaded });
    tables.set(child, { stage: loaded.stage, columns: new Map(loaded.columns.map(({ name, type }) => [name, type])) });
    for (const fault of loaded.faults) if (!faults.has(fault.row)) faults.set(fault.row, fault);
    await deleteRows(work, made, faults);
    for (const [name, values] of Object.entries(loaded.discarded)) discarded[`${child.path}.${name}`] = values;
    notices.push(...loaded.notices.map((notice) => `${child.path}: ${notice}`));
  }
  const stages: ChildStage[] = [];
  for (const {
    child,
    stage: { name: table },
    columns: own,
  } of made)
    stages.push({
      path: child.path,
      target: child.table,
      table,
      columns: own,
      rows: await countRows(work.session, { schema: work.schemas.stage, name: table }),
    });
  await idle.asBefore();
  await failpoint('children.staged');
  return { stages, faults: [...faults.values()], discarded, notices };
}

/**
 * Between two statements a large file of elements is read, which PostgreSQL must not take for a client that is frozen. Whoever takes over
 * from one that is ends it.
 */
async function mayBeIdle(session: Session): Promise<{ asBefore(): Promise<void> }> {
  const set = async (timeout: string): Promise<void> => {
    await session.query(`SELECT set_config('idle_in_transaction_session_timeout', $1, true)`, [timeout]);
  };
  const [before] = await session.query<{ timeout: string }>(
    `SELECT current_setting('idle_in_transaction_session_timeout') AS timeout`,
  );
  await set('10min');
  return { asBefore: () => set(before!.timeout) };
}

/** An element was bad: none of its row's child rows stay. */
async function deleteRows(
  { session }: ChildWork,
  made: readonly { readonly child: ChildTable; readonly stage: StageName }[],
  faults: ReadonlyMap<number, ParentFault>,
): Promise<void> {
  if (faults.size === 0) return;
  for (const { child, stage } of made)
    await session.execute(
      `DELETE FROM ${qualified(stage.schema, stage.name)} WHERE ${rootRow(child)} = ANY($1::bigint[])`,
      [[...faults.keys()]],
    );
}

import { failpoint } from '../../failpoint.js';
import { childTables } from '../../model/child-tables.js';
import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig, Schemas } from '../../model/project.js';
import { qualified } from '../../model/sql-identifier.js';
import type { ChildStage } from '../load/ledger.js';
import type { StageName } from '../load/stage-table.js';
import type { OpenDuckDB } from '../read/duckdb.js';
import type { RowFault } from '../read/row-fault.js';
import type { LoadColumn } from '../schema/column.js';
import { keyColumns, rootRow } from './child-columns.js';
import { loadElements, type Told } from './load-elements.js';

/** What a row of the stage cannot be because of one of its elements. */
export type ParentFault = Pick<RowFault, 'row' | 'column' | 'value' | 'reason'>;

/** What becomes of rows and stages is the caller's own: a load and a retry keep other books. */
export interface ChildBooks {
  /** Rows leave the stage because of an element, in the transaction of the chunk that has it. Called in each one, to throw where another attempt has the rows by now. */
  takeOut(faults: readonly ParentFault[]): Promise<void>;
  /** Runs in the transaction that completes a child table: what is staged now, and what was told of that table. Throws as `takeOut` does. */
  keep(stages: readonly ChildStage[], told: Told): Promise<void>;
  /** Between two transactions: throws where it is of no use to go on. */
  goOn(): Promise<void>;
}

export interface ChildWork extends ChildBooks {
  readonly session: Session;
  readonly resource: ResourceConfig;
  readonly schemas: Schemas;
  /** Complete, with the nested columns. */
  readonly stage: StageName;
  readonly columns: readonly LoadColumn[];
  readonly loadId: string;
  /** As the project names it. */
  readonly file: string;
  /** Child tables that an earlier attempt has completed. */
  readonly staged: readonly ChildStage[];
  /** One that is open already. @default one of its own for each child table */
  readonly duckdb?: OpenDuckDB | undefined;
  /** Elements a transaction. @default as rows */
  readonly chunkRows?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a stage for each child table of the elements that a stage's rows have: typed, checked and written by what reads files of JSON, in a
 * transaction for each chunk of them. None stays open while elements are read. Throws what `planReader` does, `ELT_CHILD_TABLE`, what `work` throws.
 */
export async function stageChildren(work: ChildWork): Promise<readonly ChildStage[]> {
  const typed = typesOf(work.columns);
  const key = keyColumns(work.resource, typed);
  const tables = childTables(work.resource);
  let stages = await goOnWith(work);
  for (const child of tables.slice(stages.length)) {
    const above = stages.find(({ target }) => target === child.parent?.table);
    const source =
      above === undefined
        ? { stage: work.stage, columns: typed }
        : { stage: { schema: work.schemas.stage, name: above.table }, columns: typesOf(above.columns) };
    const loaded = await loadElements(work, child, key, source);
    const made: ChildStage = {
      path: child.path,
      target: child.table,
      table: loaded.stage.name,
      columns: loaded.columns,
      rows: loaded.rows,
    };
    stages = await complete(work, [...stages, made], loaded);
  }
  return stages;
}

function typesOf(columns: readonly LoadColumn[]): ReadonlyMap<string, ColumnType> {
  return new Map(columns.map(({ name, type }) => [name, type]));
}

/** What an earlier attempt has completed, without the child rows of rows that have left since. */
async function goOnWith(work: ChildWork): Promise<readonly ChildStage[]> {
  if (work.staged.length === 0) return [];
  return work.session.transaction(async () => {
    const stages = await withoutOrphans(work.session, work, work.staged);
    await work.keep(stages, { notices: [], discarded: {} });
    return stages;
  });
}

async function complete(
  work: ChildWork,
  made: readonly ChildStage[],
  { hasFaults, notices, discarded }: Told & { readonly hasFaults: boolean },
): Promise<readonly ChildStage[]> {
  const stages = await work.session.transaction(async () => {
    // None of a row's child rows stay where one of them was bad.
    const kept = hasFaults ? await withoutOrphans(work.session, work, made) : made;
    await work.keep(kept, { notices, discarded });
    await failpoint('children.staged');
    return kept;
  });
  await work.goOn();
  return stages;
}

/** Child rows of rows that are not in the load's stage leave theirs, in the caller's transaction. */
export async function withoutOrphans(
  session: Session,
  { resource, schemas, stage }: Pick<ChildWork, 'resource' | 'schemas' | 'stage'>,
  stages: readonly ChildStage[],
): Promise<readonly ChildStage[]> {
  const tables = childTables(resource);
  const kept: ChildStage[] = [];
  for (const made of stages) {
    const child = tables.find(({ table }) => table === made.target)!;
    // A stage is one load's, and that of a database says which only when it is finished.
    const gone = await session.execute(
      `DELETE FROM ${qualified(schemas.stage, made.table)} AS c WHERE NOT EXISTS (
         SELECT 1 FROM ${qualified(stage.schema, stage.name)} AS t WHERE t._row_number = c.${rootRow(child)})`,
    );
    kept.push({ ...made, rows: made.rows - gone });
  }
  return kept;
}

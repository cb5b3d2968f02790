import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { TerminalError } from '../../errors.js';
import type { ChildTable } from '../../model/child-tables.js';
import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig, Schemas } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { CHUNK_ROWS, loadChunks } from '../load/load-chunks.js';
import { existingColumns, nestedTypes, planReader, readTypes } from '../load/plan-reader.js';
import { RefusedRow } from '../load/refused-row.js';
import { childStageName, createStage, type StageName } from '../load/stage-table.js';
import { withDuckDB, type OpenDuckDB } from '../read/duckdb.js';
import type { RowChunk } from '../read/row-chunk.js';
import { readAhead } from '../read/read-ahead.js';
import type { RowFault } from '../read/row-fault.js';
import type { RowSource } from '../read/row-source.js';
import type { LoadColumn } from '../schema/column.js';
import { tableColumns } from '../schema/table-columns.js';
import { childResource } from './child-resource.js';
import { INDEX, ownColumns, PARENT_LOAD, PARENT_ROW, rootRow, type KeyColumn } from './child-columns.js';
import { flattenSql } from './flatten-sql.js';
import { openElements } from './open-elements.js';
import type { ChildWork, ParentFault } from './stage-children.js';

/** Where the nested column of a child table is. */
export interface ElementSource {
  readonly stage: StageName;
  readonly columns: ReadonlyMap<string, ColumnType>;
}

export interface LoadedElements {
  readonly stage: StageName;
  readonly columns: readonly LoadColumn[];
  readonly faults: readonly ParentFault[];
  readonly discarded: Readonly<Record<string, number>>;
  readonly notices: readonly string[];
}

/**
 * Makes the stage of a child table from its elements, read as a file is that has them, in the caller's transaction. Throws what `planReader` does,
 * `ELT_CHILD_TABLE` and RefusedRow.
 *
 * @param key of the resource's own table
 * @param source the stage that has the nested column, or may lack it
 */
export async function loadElements(
  work: ChildWork,
  child: ChildTable,
  key: readonly KeyColumn[],
  source: ElementSource,
): Promise<LoadedElements> {
  const { session, schemas } = work;
  const resource = childResource(work.resource, child);
  const own = ownColumns(child, key);
  await assertChildTable(session, schemas, resource);
  const declared = { ...Object.fromEntries(own.map(({ name, type }) => [name, type])), ...child.columns };
  const existing = new Map((await existingColumns(session, { resource, schemas })) ?? []);
  const isThere = existing.delete(PARENT_LOAD);
  const types = new Map([...readTypes(resource, existing), ...Object.entries(declared), ...nestedTypes(resource)]);
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-children-'));
  try {
    const elements = source.columns.has(child.field)
      ? await openElements(session, flattenSql(child, key, source.stage, source.columns), {
          folder,
          file: `${work.file}, ${child.path}`,
          types,
          optional: Object.keys(child.columns),
          tolerance: resource.maxRejectedShare,
          signal: work.signal,
        })
      : undefined;
    if (elements === undefined) {
      const known = Object.entries(declared).map(([name, type]) => ({ name, type, header: name }));
      return { ...(await createChildStage(work, child, known)), faults: [], discarded: {}, notices: [] };
    }
    const known = { ...resource, columns: declared };
    const plan = { resource: known, existing: isThere ? existing : undefined, elements };
    // Very long lines need buffers beyond the usual.
    if (work.duckdb !== undefined && elements.extraMemoryMb === 0)
      return await copyElements(work, child, plan, work.duckdb);
    return await withDuckDB({ folder, extraMemoryMb: elements.extraMemoryMb }, (duckdb) =>
      copyElements(work, child, plan, duckdb),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function copyElements(
  work: ChildWork,
  child: ChildTable,
  plan: {
    readonly resource: ResourceConfig;
    readonly existing: ReadonlyMap<string, ColumnType> | undefined;
    readonly elements: RowSource;
  },
  duckdb: OpenDuckDB,
): Promise<LoadedElements> {
  const { resource, existing, elements } = plan;
  const { schemas, signal } = work;
  const file = `${work.file}, ${child.path}`;
  const reader = await planReader({ object: { path: file }, resource, schemas, existing }, duckdb, elements);
  const made = await createChildStage(work, child, reader.columns);
  // One is enough to keep a row out, and a row may have any number of bad elements.
  const faults = new Map<number, ParentFault>();
  const discarded: Record<string, number> = {};
  const options = { file, fromRow: 1, maxRows: CHUNK_ROWS, signal };
  for await (const chunk of readAhead(loadChunks(duckdb, elements, reader, resource, options))) {
    await copyChunk(work, child, made.stage, reader.columns, chunk);
    for (const fault of chunk.faults) {
      // What is kept of a row is a list of its values, or its line in the file.
      const values = (fault.raw ?? '').split(',', MOST_PLACES).map((value) => value.replaceAll(/[["\]]/g, ''));
      const found = parentFault(child, fault, values);
      if (!faults.has(found.row)) faults.set(found.row, found);
    }
    for (const [name, dropped] of chunk.discarded) discarded[name] = (discarded[name] ?? 0) + dropped;
  }
  return { ...made, faults: [...faults.values()], discarded, notices: reader.notices };
}

/** Columns at the front of a child row that are numbers and say where it belongs. */
const MOST_PLACES = 3;

async function createChildStage(
  { session, stage: root, loadId }: ChildWork,
  child: ChildTable,
  columns: readonly LoadColumn[],
): Promise<Pick<LoadedElements, 'stage' | 'columns'>> {
  const stage = childStageName(root, child.position);
  const all: LoadColumn[] = [{ name: PARENT_LOAD, type: 'bigint', header: PARENT_LOAD }, ...columns];
  await createStage(session, stage, loadId, all);
  await session.execute(
    `ALTER TABLE ${qualified(stage.schema, stage.name)} ALTER ${PARENT_LOAD} SET DEFAULT ${BigInt(loadId)}`,
  );
  return { stage, columns: all };
}

async function copyChunk(
  { session, signal }: ChildWork,
  child: ChildTable,
  stage: StageName,
  columns: readonly LoadColumn[],
  chunk: RowChunk,
): Promise<void> {
  if (chunk.rowNumbers.length === 0) return;
  const names = ['_row_number', ...columns.map(({ name }) => name)].map(identifier).join(', ');
  try {
    await session.copyFrom(
      `COPY ${qualified(stage.schema, stage.name)} (${names}) FROM STDIN (FORMAT text, ENCODING 'UTF8')`,
      Readable.from(chunk.blocks, { objectMode: false }),
      signal === undefined ? {} : { signal },
    );
  } catch (error) {
    const refused = RefusedRow.from(error, chunk, columns);
    if (!(refused instanceof RefusedRow)) throw error;
    // Its line has the child's row number, then the columns.
    const [, ...values] = refused.fault.raw!.split('\t');
    throw new RefusedRow({ ...refused.fault, ...parentFault(child, refused.fault, values) }, error);
  }
}

/**
 * A child row's fault as one of the row of the resource that has it.
 *
 * @param values of the child row, as many as say where it belongs
 */
function parentFault(child: ChildTable, fault: RowFault, values: readonly string[]): ParentFault {
  const names = ownColumns(child, []).map(({ name }) => name);
  const row = Number(values[names.indexOf(rootRow(child))]);
  if (!Number.isSafeInteger(row) || row < 1)
    throw new TerminalError(
      'ELT_CHILD_TABLE',
      `Reading the elements of ${child.path} failed: element ${fault.row} ${fault.reason}, and what was read of it does not say which row has it.`,
      { next: `Take ${child.path} out of \`children\`: the column then stays jsonb.` },
    );
  const element = `${child.path}[${values[names.indexOf(INDEX)]}]`;
  const { column, value, reason } = fault;
  return { row, column: column === null ? element : `${element}.${column}`, value, reason };
}

/** A table of that name that was loaded otherwise is not written into. */
async function assertChildTable(session: Session, schemas: Schemas, resource: ResourceConfig): Promise<void> {
  const there = await tableColumns(session, schemas.raw, resource.table);
  if (there === undefined || (there.has(PARENT_LOAD) && there.has(PARENT_ROW))) return;
  throw new TerminalError(
    'ELT_CHILD_TABLE',
    `Loading ${resource.id} failed: ${schemas.raw}.${resource.table} is there and is no child table; it has no column ${PARENT_ROW}.`,
    { at: resource.at, next: 'Give the child table another name: `children: { …: { table: … } }`.' },
  );
}

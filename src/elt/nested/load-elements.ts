import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TerminalError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import type { ChildTable } from '../../model/child-tables.js';
import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig, Schemas } from '../../model/project.js';
import { qualified } from '../../model/sql-identifier.js';
import { copyChunk } from '../load/copy-chunk.js';
import { CHUNK_ROWS, loadChunks } from '../load/load-chunks.js';
import { existingColumns, nestedTypes, planReader, readTypes } from '../load/plan-reader.js';
import { RefusedBinary, RefusedRow } from '../load/refused-row.js';
import { childStageName, createStage, type StageName } from '../load/stage-table.js';
import { withDuckDB, type OpenDuckDB } from '../read/duckdb.js';
import { readAhead } from '../read/read-ahead.js';
import type { CopyFormat, RowChunk } from '../read/row-chunk.js';
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

/** Of a child table, for the load's line. */
export interface Told {
  /** Values that the contract dropped, by the path of their column: `lines.qty`. */
  readonly discarded: Readonly<Record<string, number>>;
  /** Renamed columns, misfits: one sentence each. */
  readonly notices: readonly string[];
}

export interface LoadedElements extends Told {
  readonly stage: StageName;
  readonly columns: readonly LoadColumn[];
  readonly rows: number;
  /** Rows have left the stage because of an element, and others of their elements are there. */
  readonly hasFaults: boolean;
}

/**
 * Makes the stage of a child table from its elements, read as a file is that has them. Throws what `planReader` does, `ELT_CHILD_TABLE` and what
 * `work` throws.
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
      return { ...(await createChildStage(work, child, known)), rows: 0, hasFaults: false, discarded: {}, notices: [] };
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
  const discarded: Record<string, number> = {};
  const refused = new Map<number, RowFault>();
  const settings = { file, maxRows: work.chunkRows ?? CHUNK_ROWS, refused, signal };
  let format: CopyFormat = 'binary';
  let rows = 0;
  let hasFaults = false;
  for (let fromRow = 1; fromRow <= elements.rows;) {
    try {
      for await (const chunk of readAhead(
        loadChunks(duckdb, elements, reader, resource, { ...settings, fromRow, format }),
      )) {
        await commitElements(work, child, made.stage, reader.columns, chunk);
        fromRow = chunk.nextRow;
        rows += chunk.rowNumbers.length;
        hasFaults ||= chunk.faults.length > 0;
        for (const [name, values] of chunk.discarded) {
          const column = `${child.path}.${name}`;
          discarded[column] = (discarded[column] ?? 0) + values;
        }
        await work.goOn();
      }
    } catch (error) {
      // The chunk is written again, as text that says what PostgreSQL refuses, then without the element that it was.
      if (error instanceof RefusedBinary) format = 'text';
      else if (!(error instanceof RefusedRow)) throw error;
      else if (refused.size === MAX_REFUSED) throw error.cause;
      else refused.set(error.fault.row, placed(error.fault));
    }
  }
  const notices = reader.notices.map((notice) => `${child.path}: ${notice}`);
  return { ...made, rows, hasFaults, discarded, notices };
}

/** Each is a transaction for nothing; a reader that lets more than these through is wrong. */
const MAX_REFUSED = 1_000;
/** Columns at the front of a child row that are numbers and say where it belongs. */
const MOST_PLACES = 3;

/** Of a line as COPY has it, the child's row number first, the values that say where the element belongs. */
function placed(fault: RowFault): RowFault {
  const [, ...values] = (fault.raw ?? '').split('\t', 1 + MOST_PLACES);
  return { ...fault, raw: JSON.stringify(values) };
}

async function createChildStage(
  work: ChildWork,
  child: ChildTable,
  columns: readonly LoadColumn[],
): Promise<Pick<LoadedElements, 'stage' | 'columns'>> {
  const { session, stage: root, loadId } = work;
  const stage = childStageName(root, child.position);
  const all: LoadColumn[] = [{ name: PARENT_LOAD, type: 'bigint', header: PARENT_LOAD }, ...columns];
  await session.transaction(async () => {
    await createStage(session, stage, loadId, all);
    await session.execute(
      `ALTER TABLE ${qualified(stage.schema, stage.name)} ALTER ${PARENT_LOAD} SET DEFAULT ${BigInt(loadId)}`,
    );
    await work.takeOut([]);
  });
  return { stage, columns: all };
}

/** One transaction: child rows by COPY, and rows that one of the elements makes impossible leave the stage. Throws RefusedRow, RefusedBinary. */
async function commitElements(
  work: ChildWork,
  child: ChildTable,
  stage: StageName,
  columns: readonly LoadColumn[],
  chunk: RowChunk,
): Promise<void> {
  const { session } = work;
  // One is enough to keep a row out, and a row may have any number of bad elements.
  const faults = new Map<number, ParentFault>();
  for (const fault of chunk.faults) {
    const found = parentFault(child, fault);
    if (!faults.has(found.row)) faults.set(found.row, found);
  }
  await session.transaction(async () => {
    if (chunk.rowNumbers.length > 0) await copyChunk(work.session, chunk, { stage, columns }, { signal: work.signal });
    await work.takeOut([...faults.values()]);
    await failpoint('children.before-commit');
  });
}

/** A child row's fault as one of the row of the resource that has it. */
function parentFault(child: ChildTable, { column, value, reason, raw }: RowFault): ParentFault {
  // What is kept of an element begins with where it belongs, as a list of its values or as its line in the file.
  const places = (raw ?? '').split(',', MOST_PLACES).map((text) => text.replaceAll(/[["\]]/g, ''));
  const names = ownColumns(child, []).map(({ name }) => name);
  const element = `${child.path}[${places[names.indexOf(INDEX)]}]`;
  return {
    row: Number(places[names.indexOf(rootRow(child))]),
    column: column === null ? element : `${element}.${column}`,
    value,
    reason,
  };
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

import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { TerminalError } from '../../errors.js';
import type { ChildTable } from '../../model/child-tables.js';
import type { Session } from '../../model/database.js';
import type { ResourceConfig, Schemas } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { CHUNK_ROWS, loadChunks } from '../load/load-chunks.js';
import { existingColumns, nestedTypes, planReader } from '../load/plan-reader.js';
import { RefusedRow } from '../load/refused-row.js';
import { childStageName, createStage, type StageName } from '../load/stage-table.js';
import { withDuckDB, type OpenDuckDB } from '../read/duckdb.js';
import { byteSource } from '../read/open-bytes.js';
import { openJson } from '../read/open-json.js';
import type { RowChunk } from '../read/row-chunk.js';
import type { RowFault } from '../read/row-fault.js';
import { scanNdjson } from '../read/scan-ndjson.js';
import type { LoadColumn } from '../schema/column.js';
import { tableColumns } from '../schema/table-columns.js';
import { childResource } from './child-resource.js';
import { INDEX, ownColumns, PARENT_LOAD, PARENT_ROW, rootRow, type KeyColumn } from './child-columns.js';
import type { ChildWork, ParentFault } from './stage-children.js';

export interface LoadedElements {
  readonly stage: StageName;
  readonly columns: readonly LoadColumn[];
  readonly faults: readonly ParentFault[];
  readonly discarded: Readonly<Record<string, number>>;
  readonly notices: readonly string[];
}

/**
 * Makes the stage of a child table from its elements, as a file of JSON is loaded, in the caller's transaction. Throws what `planReader` does,
 * `ELT_CHILD_TABLE` and RefusedRow.
 *
 * @param key of the resource's own table
 * @param path of a file of one element a line; undefined: there are none, and the stage has the columns that are known without them
 */
export async function loadElements(
  work: ChildWork,
  child: ChildTable,
  key: readonly KeyColumn[],
  path: string | undefined,
): Promise<LoadedElements> {
  const { session, schemas, signal } = work;
  const resource = childResource(work.resource, child);
  const own = ownColumns(child, key);
  await assertChildTable(session, schemas, resource);
  if (path === undefined) {
    const known = [...own, ...Object.entries(child.columns).map(([name, type]) => ({ name, type }))];
    const made = await createChildStage(work, child, known.map((column) => ({ ...column, header: column.name }))); // prettier-ignore
    return { ...made, faults: [], discarded: {}, notices: [] };
  }
  const declared = { ...Object.fromEntries(own.map(({ name, type }) => [name, type])), ...child.columns };
  const existing = new Map((await existingColumns(session, { resource, schemas })) ?? []);
  const isThere = existing.delete(PARENT_LOAD);
  const types = new Map([...existing, ...Object.entries(declared), ...nestedTypes(resource)]);
  const bytes = await byteSource(path, `${work.file}, ${child.path}`);
  const folder = dirname(path);
  const optional = Object.keys(declared);
  const source = await openJson((options) => scanNdjson(bytes, options), folder, types, resource.maxRejectedShare, 'ndjson', signal, { optional }); // prettier-ignore
  const load = async (duckdb: OpenDuckDB): Promise<LoadedElements> => {
    const plan = { object: { path: bytes.file }, resource: { ...resource, columns: declared }, schemas };
    const reader = await planReader({ ...plan, existing: isThere ? existing : undefined }, duckdb, source);
    const made = await createChildStage(work, child, reader.columns);
    const faults: ParentFault[] = [];
    const discarded: Record<string, number> = {};
    const chunks = loadChunks(duckdb, source, reader, resource, { file: bytes.file, fromRow: 1, maxRows: CHUNK_ROWS, signal }); // prettier-ignore
    for await (const chunk of chunks) {
      await copyChunk(work, child, made.stage, reader.columns, chunk);
      for (const fault of chunk.faults) {
        // A kept row is a list of its values as texts.
        const values = [...(fault.raw ?? '').matchAll(/[[,]"(\d+)"/g)].map(([, value]) => value!);
        faults.push(parentFault(child, fault, values));
      }
      for (const [name, dropped] of chunk.discarded) discarded[name] = (discarded[name] ?? 0) + dropped;
    }
    return { ...made, faults, discarded, notices: reader.notices };
  };
  // Very long lines need buffers beyond the usual.
  if (work.duckdb !== undefined && source.extraMemoryMb === 0) return load(work.duckdb);
  return withDuckDB({ folder, extraMemoryMb: source.extraMemoryMb }, load);
}

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
    if (refused === undefined) throw error;
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
  if (!Number.isSafeInteger(row) || row < 1) throw new Error(`row ${fault.row} of ${child.path} names no parent row`);
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

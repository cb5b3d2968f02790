import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { TerminalError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import { childTables, type ChildTable } from '../../model/child-tables.js';
import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig, Schemas } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import type { ChildStage } from '../load/ledger.js';
import { CHUNK_ROWS, loadChunks } from '../load/load-chunks.js';
import { existingColumns, nestedTypes, planReader } from '../load/plan-reader.js';
import { RefusedRow } from '../load/refused-row.js';
import { childStageName, createStage, type StageName } from '../load/stage-table.js';
import { withDuckDB } from '../read/duckdb.js';
import { byteSource } from '../read/open-bytes.js';
import { openJson } from '../read/open-json.js';
import type { RowFault } from '../read/row-fault.js';
import { scanNdjson } from '../read/scan-ndjson.js';
import type { LoadColumn } from '../schema/column.js';
import { tableColumns } from '../schema/table-columns.js';
import { childResource } from './child-resource.js';
import { INDEX, keyColumns, ownColumns, PARENT_LOAD, PARENT_ROW, rootRow, type KeyColumn } from './child-columns.js';
import { flattenSql } from './flatten-sql.js';

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
  const tables = new Map<ChildTable | undefined, { stage: StageName; columns: ReadonlyMap<string, ColumnType> }>();
  tables.set(undefined, { stage, columns: typed });
  const made: { child: ChildTable; stage: StageName; columns: readonly LoadColumn[] }[] = [];
  const faults = new Map<number, ParentFault>();
  const discarded: Record<string, number> = {};
  const notices: string[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-children-'));
  try {
    for (const child of childTables(resource)) {
      const source = tables.get(child.parent)!;
      const path = join(folder, `${child.position}.ndjson`);
      const isThere = source.columns.has(child.field) && (await writeElements(work, child, key, source, path));
      const loaded = await loadElements(work, child, key, isThere ? path : undefined);
      await rm(path, { force: true });
      made.push({ child, ...loaded });
      tables.set(child, {
        stage: loaded.stage,
        columns: new Map(loaded.columns.map(({ name, type }) => [name, type])),
      });
      for (const fault of loaded.faults) if (!faults.has(fault.row)) faults.set(fault.row, fault);
      await deleteRows(work, made, faults);
      for (const [name, values] of Object.entries(loaded.discarded)) discarded[`${child.path}.${name}`] = values;
      notices.push(...loaded.notices.map((notice) => `${child.path}: ${notice}`));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const stages: ChildStage[] = [];
  for (const {
    child,
    stage: { name: table },
    columns: own,
  } of made)
    stages.push({ path: child.path, table, columns: own, rows: await countRows(work, table) });
  await failpoint('children.staged');
  return { stages, faults: [...faults.values()], discarded, notices };
}

/** One JSON object a line, as PostgreSQL writes them: no control character is in it, so nothing is quoted. Gives whether there is any. */
async function writeElements(
  { session, signal }: ChildWork,
  child: ChildTable,
  key: readonly KeyColumn[],
  source: { readonly stage: StageName; readonly columns: ReadonlyMap<string, ColumnType> },
  path: string,
): Promise<boolean> {
  const elements = flattenSql(child, key, source.stage, source.columns);
  await session.copyTo(
    `COPY (${elements}) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02', ENCODING 'UTF8')`,
    createWriteStream(path),
    signal === undefined ? {} : { signal },
  );
  return (await stat(path)).size > 0;
}

interface Loaded {
  readonly stage: StageName;
  readonly columns: readonly LoadColumn[];
  readonly faults: readonly ParentFault[];
  readonly discarded: Readonly<Record<string, number>>;
  readonly notices: readonly string[];
}

const PARENT_LOAD_COLUMN: LoadColumn = { name: PARENT_LOAD, type: 'bigint', header: PARENT_LOAD };

/** @param path undefined: there are none, and the stage has the columns that are known without them */
async function loadElements(
  work: ChildWork,
  child: ChildTable,
  key: readonly KeyColumn[],
  path: string | undefined,
): Promise<Loaded> {
  const { session, schemas, stage: root, loadId, signal } = work;
  const resource = childResource(work.resource, child);
  const own = ownColumns(child, key);
  const stage = childStageName(root, child.position);
  await assertChildTable(session, schemas, resource);
  const create = async (columns: readonly LoadColumn[]): Promise<LoadColumn[]> => {
    const all = [PARENT_LOAD_COLUMN, ...columns];
    await createStage(session, stage, loadId, all);
    await session.execute(
      `ALTER TABLE ${qualified(stage.schema, stage.name)} ALTER ${PARENT_LOAD} SET DEFAULT ${BigInt(loadId)}`,
    );
    return all;
  };
  if (path === undefined) {
    const known = [...own, ...Object.entries(child.columns).map(([name, type]) => ({ name, type }))];
    const columns = await create(known.map((column) => ({ ...column, header: column.name })));
    return { stage, columns, faults: [], discarded: {}, notices: [] };
  }
  const declared = { ...Object.fromEntries(own.map(({ name, type }) => [name, type])), ...child.columns };
  const existing = new Map((await existingColumns(session, { resource, schemas })) ?? []);
  const isThere = existing.delete(PARENT_LOAD);
  const types = new Map([...existing, ...Object.entries(declared), ...nestedTypes(resource)]);
  const bytes = await byteSource(path, `${work.file}, ${child.path}`);
  const folder = join(path, '..');
  const source = await openJson((options) => scanNdjson(bytes, options), folder, types, resource.maxRejectedShare, 'ndjson', signal, {
    optional: Object.keys(declared),
  }); // prettier-ignore
  return withDuckDB({ folder, extraMemoryMb: source.extraMemoryMb }, async (duckdb) => {
    const plan = { object: { path: bytes.file }, resource: { ...resource, columns: declared }, schemas };
    const reader = await planReader({ ...plan, existing: isThere ? existing : undefined }, duckdb, source);
    const columns = await create(reader.columns);
    const faults: ParentFault[] = [];
    const discarded: Record<string, number> = {};
    const chunks = loadChunks(duckdb, source, reader, resource, { file: bytes.file, fromRow: 1, maxRows: CHUNK_ROWS, signal }); // prettier-ignore
    for await (const chunk of chunks) {
      if (chunk.rowNumbers.length > 0) {
        const names = ['_row_number', ...reader.columns.map(({ name }) => name)].map(identifier).join(', ');
        try {
          await session.copyFrom(
            `COPY ${qualified(stage.schema, stage.name)} (${names}) FROM STDIN (FORMAT text, ENCODING 'UTF8')`,
            Readable.from(chunk.blocks, { objectMode: false }),
            signal === undefined ? {} : { signal },
          );
        } catch (error) {
          const refused = RefusedRow.from(error, chunk, reader.columns);
          if (refused === undefined) throw error;
          // Its line has the child's row number, then the columns.
          const values = refused.fault.raw!.split('\t').slice(1);
          throw new RefusedRow({ ...refused.fault, ...parentFault(child, refused.fault, values) }, error);
        }
      }
      for (const fault of chunk.faults)
        faults.push(parentFault(child, fault, [...(fault.raw ?? '').matchAll(/[[,]"(\d+)"/g)].map(([, value]) => value!))); // prettier-ignore
      for (const [name, values] of chunk.discarded) discarded[name] = (discarded[name] ?? 0) + values;
    }
    return { stage, columns, faults, discarded, notices: reader.notices };
  });
}

/** A child row's fault as one of the row of the resource that has it. @param values the row's, its own columns first */
function parentFault(child: ChildTable, fault: RowFault, values: readonly string[]): ParentFault {
  const names = ownColumns(child, []).map(({ name }) => name);
  const row = Number(values[names.indexOf(rootRow(child))]);
  const element = `${child.path}[${values[names.indexOf(INDEX)]}]`;
  if (!Number.isSafeInteger(row) || row < 1) throw new Error(`row ${fault.row} of ${child.path} names no parent row`);
  const { column, value, reason } = fault;
  return { row, column: column === null ? element : `${element}.${column}`, value, reason };
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

async function countRows({ session, schemas }: ChildWork, table: string): Promise<number> {
  const [counted] = await session.query<{ rows: number }>(
    `SELECT count(*)::float8 AS rows FROM ${qualified(schemas.stage, table)}`,
  );
  return counted?.rows ?? 0;
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

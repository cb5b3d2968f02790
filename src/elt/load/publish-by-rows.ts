import { PipelineError, TerminalError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { cancelOnAbort } from '../../model/cancel-on-abort.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { countLateRows } from '../cursor/count-late-rows.js';
import { cursorColumn } from '../cursor/cursor-column.js';
import { moveCursor } from '../cursor/cursor-state.js';
import { tableColumns } from '../schema/table-columns.js';
import { markPublished } from './claim-publication.js';
import type { LedgerLine } from './ledger.js';
import type { PublishOptions, PublishResult, PublishWork } from './publish-resource.js';
import { intervalOfPath } from './interval-of-path.js';
import { stageName, type StageName } from './stage-table.js';
import { uniteColumns } from './unite-columns.js';

/** `append` and `merge`: the staged rows go into the published table, in one transaction with the ledger. */
export async function publishByRows(session: Session, work: PublishWork): Promise<PublishResult> {
  const { database, signal } = work.options;
  return cancelOnAbort(database, session, signal, () => session.transaction(() => mergeStages(session, work)));
}

async function mergeStages(session: Session, work: PublishWork): Promise<PublishResult> {
  const { options, publication, lines } = work;
  const { schemas, resource, runId, signal } = options;
  const target = { schema: schemas.raw, name: resource.table };
  const staged = lines.filter(({ status }) => status === 'staged');
  // Readers queue behind a lock that waits; a client frozen here must not keep it.
  await session.execute(`SET LOCAL lock_timeout = '5s'; SET LOCAL idle_in_transaction_session_timeout = '10s'`);
  const { columns, columnsAdded, isNew } = await shapeTarget(session, options, target, staged);
  const displacedIds = await formerContents(session, work, staged);
  if (resource.write === 'append')
    await session.execute(`DELETE FROM ${qualified(target.schema, target.name)} WHERE _load_id = ANY($1::bigint[])`, [
      displacedIds,
    ]);
  let rowsLate = 0;
  for (const line of staged) {
    const stage = stageName(schemas.stage, line.loadId);
    if (options.cursor?.from !== undefined && !isNew)
      rowsLate += await countLateRows(session, { resource, from: options.cursor.from, stage, stageColumns: readColumns(line), target, targetColumns: columns }); // prettier-ignore
    await addRows(session, { resource, target, stage, line, columns, staged });
    await session.execute(`DROP TABLE ${qualified(stage.schema, stage.name)}`);
  }
  const [counted] = await session.query<{ rows: number }>(
    `SELECT count(*)::float8 AS rows FROM ${qualified(target.schema, target.name)}`,
  );
  const rows = counted?.rows ?? 0;
  const version = await markPublished(session, publication, {
    runId,
    write: resource.write,
    table: target,
    loadIds: lines.map(({ loadId }) => loadId),
    stagedIds: staged.map(({ loadId }) => loadId),
    displacedIds,
    columns: [...columns].map(([name, type]) => ({ name, type, header: name })),
    columnsAdded,
    rows,
  });
  if (options.cursor?.to !== undefined && resource.cursor !== undefined)
    await moveCursor(session, publication, resource.cursor, options.cursor.to);
  const late = options.cursor === undefined ? {} : { rowsLate };
  const result = { rows, table: `${target.schema}.${target.name}`, version, columnsAdded, ...late };
  await options.onPublish?.(session, result);
  await failpoint('publish.before-commit');
  signal?.throwIfAborted();
  return { status: 'published' as const, ...result };
}

interface Shape {
  readonly columns: ReadonlyMap<string, ColumnType>;
  readonly columnsAdded: readonly string[];
  readonly isNew: boolean;
}

/** Makes the table, or adds the columns that are new, or widens those whose type changed. */
async function shapeTarget(
  session: Session,
  options: PublishOptions,
  target: StageName,
  staged: readonly LedgerLine[],
): Promise<Shape> {
  const { schemas, resource } = options;
  const former = await tableColumns(session, target.schema, target.name);
  const table = qualified(target.schema, target.name);
  const stages = staged.map((line) => ({
    table: stageName(schemas.stage, line.loadId),
    columns: readColumns(line),
  }));
  const sources = former === undefined ? stages : [{ table: target, columns: former }, ...stages];
  const columns = await uniteColumns(session, sources, resource.columns);
  if (former === undefined) {
    const own = [...columns].map(([name, type]) => `${identifier(name)} ${type}`).join(', ');
    await session.execute(
      `CREATE TABLE ${table} (${own}, _load_id bigint NOT NULL, _row_number bigint NOT NULL, _loaded_at timestamptz NOT NULL)`,
    );
  }
  const added = former === undefined ? [] : [...columns].filter(([name]) => !former.has(name));
  for (const [name, type] of added)
    await session.execute(`ALTER TABLE ${table} ADD COLUMN ${identifier(name)} ${type}`);
  for (const [name, type] of former ?? [])
    if (columns.get(name) !== type) await changeType(session, resource, target, name, type, columns.get(name)!);
  if (resource.write === 'merge') await ensureUniqueKey(session, target, resource.primaryKey);
  return { columns, columnsAdded: added.map(([name]) => name), isNew: former === undefined };
}

async function changeType(
  session: Session,
  resource: ResourceConfig,
  target: StageName,
  name: string,
  from: ColumnType,
  to: ColumnType,
): Promise<void> {
  const column = identifier(name);
  try {
    await session.execute(
      `ALTER TABLE ${qualified(target.schema, target.name)} ALTER ${column} TYPE ${to} USING ${column}::${to}`,
    );
  } catch (error) {
    // 0A000: a view uses the column; 22 and 42: values or types that do not go over.
    const code = String((error as { code?: unknown }).code);
    if (error instanceof PipelineError || !/^(0A|22|42)/.test(code)) throw error;
    throw new TerminalError(
      'ELT_TYPE_CHANGE',
      `Changing column ${JSON.stringify(name)} of ${target.schema}.${target.name} from ${from} to ${to} failed: ${(error as Error).message}.`,
      {
        at: resource.at,
        details: { column: name, from, to },
        next: `Set its type back to ${from} under \`columns\`, or load the table with \`write: replace\`.`,
        cause: error,
      },
    );
  }
}

async function ensureUniqueKey(session: Session, target: StageName, primaryKey: readonly string[]): Promise<void> {
  const table = qualified(target.schema, target.name);
  const found = await session.query(
    `SELECT 1 FROM pg_index i WHERE i.indrelid = $1::regclass AND i.indisunique AND i.indpred IS NULL AND i.indimmediate
       AND i.indnkeyatts = cardinality($2::text[]) AND i.indexprs IS NULL
       AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text) FROM pg_attribute a
            WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey))
         = (SELECT array_agg(name ORDER BY name) FROM unnest($2::text[]) AS name)`,
    [table, [...primaryKey]],
  );
  if (found.length === 0)
    await session.execute(`CREATE UNIQUE INDEX ON ${table} (${primaryKey.map(identifier).join(', ')})`);
}

/** Published loads of former contents of the same files, or of the same interval. */
async function formerContents(
  session: Session,
  { options, lines }: PublishWork,
  staged: readonly LedgerLine[],
): Promise<string[]> {
  if (options.resource.http?.byInterval === true) return formerIntervals(session, options, lines);
  const rows = await session.query<{ loadId: string }>(
    `SELECT load_id AS "loadId" FROM plumbline.loads
     WHERE env = $1 AND project = $2 AND resource = $3 AND status = 'published' AND path = ANY($4) AND load_id <> ALL($5::bigint[])`,
    [
      options.env,
      options.project,
      options.resource.id,
      staged.map(({ path }) => path),
      lines.map(({ loadId }) => loadId),
    ],
  );
  return rows.map(({ loadId }) => loadId);
}

/**
 * Published loads of the intervals that these loads are about. Throws `ELT_INTERVAL_OVERLAP` (terminal) when one of them
 * also holds rows of another time, which would be gone.
 */
async function formerIntervals(
  session: Session,
  { env, project, resource }: PublishOptions,
  lines: readonly LedgerLine[],
): Promise<string[]> {
  if (resource.write !== 'append') return [];
  const published = await session.query<{ loadId: string; path: string }>(
    `SELECT load_id AS "loadId", path FROM plumbline.loads
     WHERE env = $1 AND project = $2 AND resource = $3 AND status = 'published' AND load_id <> ALL($4::bigint[])`,
    [env, project, resource.id, lines.map(({ loadId }) => loadId)],
  );
  const loaded = lines.map(({ path }) => intervalOfPath(path)!);
  const met = published.filter(({ path }) => {
    const former = intervalOfPath(path);
    return former !== undefined && loaded.some(({ start, end }) => former.start < end && start < former.end);
  });
  for (const { path } of met) {
    const former = intervalOfPath(path)!;
    if (loaded.some(({ start, end }) => start <= former.start && former.end <= end)) continue;
    throw new TerminalError(
      'ELT_INTERVAL_OVERLAP',
      `Publishing ${resource.id} failed: ${path} was loaded before and reaches beyond the interval of this load.`,
      {
        at: resource.at,
        next: 'Load an interval that holds it as a whole: `plumbline run load --interval A/B`. The table is untouched.',
      },
    );
  }
  return met.map(({ loadId }) => loadId);
}

function readColumns(line: LedgerLine): Map<string, ColumnType> {
  return new Map(line.reader?.columns.map(({ name, type }) => [name, type]));
}

interface RowsToAdd {
  readonly resource: ResourceConfig;
  readonly target: StageName;
  readonly stage: StageName;
  readonly line: LedgerLine;
  readonly columns: ReadonlyMap<string, ColumnType>;
  readonly staged: readonly LedgerLine[];
}

async function addRows(session: Session, { resource, target, stage, line, columns, staged }: RowsToAdd): Promise<void> {
  const names = line.reader?.columns.map(({ name }) => name) ?? [];
  const into = [...names, '_load_id', '_row_number', '_loaded_at'].map(identifier);
  const values = [
    ...names.map((name) => `${identifier(name)}::${columns.get(name)!}`),
    '_load_id',
    '_row_number',
    '_loaded_at',
  ];
  const insert = `INSERT INTO ${qualified(target.schema, target.name)} AS t (${into.join(', ')})
    SELECT ${values.join(', ')} FROM ${qualified(stage.schema, stage.name)}`;
  if (resource.write === 'append') {
    await session.execute(insert);
    return;
  }
  // A row's version is (load, row number): an older load that comes late does not undo a newer one. Loads published
  // together go by their order here, whatever the order in which they were staged.
  const updates = into.filter((column) => !resource.primaryKey.map(identifier).includes(column));
  await session.execute(
    `${insert} ON CONFLICT (${resource.primaryKey.map(identifier).join(', ')}) DO UPDATE
     SET ${updates.map((column) => `${column} = excluded.${column}`).join(', ')}
     WHERE (t._load_id = ANY($1::bigint[]) AND ${isNotOlder(resource, columns, names)}) OR t._load_id <> ALL($1::bigint[]) AND (t._load_id, t._row_number) <= (excluded._load_id, excluded._row_number)`,
    [staged.map(({ loadId }) => loadId)],
  );
}

/** Pages that move while they are read show a row twice, and the later page may have its older state. */
function isNotOlder(
  { cursor }: ResourceConfig,
  columns: ReadonlyMap<string, ColumnType>,
  names: readonly string[],
): string {
  const there = cursorColumn(cursor, columns, 't.');
  const added = cursorColumn(cursor, columns, 'excluded.');
  if (there === undefined || added === undefined || !names.includes(cursor!.field)) return 'true';
  return `(${there} IS NULL OR ${added} >= ${there})`;
}

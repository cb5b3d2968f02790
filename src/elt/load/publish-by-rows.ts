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
import { activateVersion } from './activate-version.js';
import { markPublished } from './claim-publication.js';
import type { LedgerLine } from './ledger.js';
import type { PublishOptions, PublishResult, PublishWork } from './publish-resource.js';
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
  const { columns, columnsAdded, isNew, isReshaped } = await shapeTarget(session, options, target, staged);
  const displacedIds = await formerContents(session, work, staged);
  if (resource.write === 'append')
    await session.execute(`DELETE FROM ${qualified(target.schema, target.name)} WHERE _load_id = ANY($1::bigint[])`, [
      displacedIds,
    ]);
  let rowsLate = 0;
  let rowsChanged = 0;
  // Without a cursor nothing comes twice for no reason.
  const isCounted = resource.cursor !== undefined && !isNew && !isReshaped;
  for (const line of staged) {
    const stage = stageName(schemas.stage, line.loadId);
    if (options.cursor?.from !== undefined && !isNew)
      rowsLate += await countLateRows(session, { resource, from: options.cursor.from, stage, stageColumns: readColumns(line), target, targetColumns: columns }); // prettier-ignore
    if (isCounted) rowsChanged += await countChangedRows(session, { resource, target, stage, line, columns });
    await addRows(session, { resource, target, stage, line, columns, staged });
    await session.execute(`DROP TABLE ${qualified(stage.schema, stage.name)}`);
  }
  const rowsRemoved = await activateVersion(session, target, columns, staged);
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
  const changed = isCounted ? { rowsChanged } : {};
  const removed = rowsRemoved === 0 ? {} : { rowsRemoved };
  const result = { rows, table: `${target.schema}.${target.name}`, version, columnsAdded, ...late, ...changed, ...removed };
  await options.onPublish?.(session, result);
  await failpoint('publish.before-commit');
  signal?.throwIfAborted();
  return { status: 'published' as const, ...result };
}

interface Shape {
  readonly columns: ReadonlyMap<string, ColumnType>;
  readonly columnsAdded: readonly string[];
  readonly isNew: boolean;
  /** A column has another type than before. */
  readonly isReshaped: boolean;
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
  const retyped = [...(former ?? [])].filter(([name, type]) => columns.get(name) !== type);
  for (const [name, type] of retyped) await changeType(session, resource, target, name, type, columns.get(name)!);
  if (resource.write === 'merge') await ensureUniqueKey(session, target, resource.primaryKey);
  return {
    columns,
    columnsAdded: added.map(([name]) => name),
    isNew: former === undefined,
    isReshaped: retyped.length > 0,
  };
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

/** Published loads of former contents of the same files. */
async function formerContents(
  session: Session,
  { options, lines }: PublishWork,
  staged: readonly LedgerLine[],
): Promise<string[]> {
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

/** Rows of a stage that the table does not have, byte for byte. */
async function countChangedRows(
  session: Session,
  { resource, target, stage, line, columns }: Omit<RowsToAdd, 'staged'>,
): Promise<number> {
  const names = line.reader?.columns.map(({ name }) => name) ?? [];
  const there = names.map((name) => `t.${identifier(name)}`).join(', ');
  const staged = names.map((name) => `s.${identifier(name)}::${columns.get(name)!}`).join(', ');
  const same = resource.primaryKey.map((key) => `t.${identifier(key)} = s.${identifier(key)}`).join(' AND ');
  const [counted] = await session.query<{ rows: number }>(
    `SELECT count(*)::float8 AS rows FROM ${qualified(stage.schema, stage.name)} AS s
     WHERE NOT EXISTS (SELECT 1 FROM ${qualified(target.schema, target.name)} AS t
       WHERE ${same} AND ROW(${there})::record *= ROW(${staged})::record)`,
  );
  return counted?.rows ?? 0;
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

import { failpoint } from '../../failpoint.js';
import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { cancelOnAbort } from '../../model/cancel-on-abort.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { countLateRows } from '../cursor/count-late-rows.js';
import { moveCursor } from '../cursor/cursor-state.js';
import { tableColumns } from '../schema/table-columns.js';
import { addRows } from './add-rows.js';
import { changedTypes, changeType } from './change-type.js';
import { markPublished, type TypeChange } from './claim-publication.js';
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
  const { columns, columnsAdded, typesChanged, isNew } = await shapeTarget(session, options, target, staged);
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
    await addRows(session, {
      resource,
      target,
      stage,
      names: [...readColumns(line).keys()],
      columns,
      batch: staged.map(({ loadId }) => loadId),
    });
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
    typesChanged,
    rows,
  });
  if (options.cursor?.to !== undefined && resource.cursor !== undefined)
    await moveCursor(session, publication, resource.cursor, options.cursor.to);
  const late = options.cursor === undefined ? {} : { rowsLate };
  const result = { rows, table: `${target.schema}.${target.name}`, version, columnsAdded, typesChanged, ...late };
  await options.onPublish?.(session, result);
  await failpoint('publish.before-commit');
  signal?.throwIfAborted();
  return { status: 'published' as const, ...result };
}

interface Shape {
  readonly columns: ReadonlyMap<string, ColumnType>;
  readonly columnsAdded: readonly string[];
  readonly typesChanged: readonly TypeChange[];
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
  const typesChanged = changedTypes(former, columns);
  for (const { column, from, to } of typesChanged)
    await changeType(session, resource, target, { name: column, from, to });
  if (resource.write === 'merge') await ensureUniqueKey(session, target, resource.primaryKey);
  return { columns, columnsAdded: added.map(([name]) => name), typesChanged, isNew: former === undefined };
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

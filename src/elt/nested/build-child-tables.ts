import { childTables, nestedColumns, type ChildTable } from '../../model/child-tables.js';
import type { Session } from '../../model/database.js';
import type { ColumnType } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { copyRows, type Source } from '../load/copy-rows.js';
import { countRows } from '../load/count-rows.js';
import type { LedgerLine } from '../load/ledger.js';
import type { Built } from '../load/publish-by-swap.js';
import type { PublishWork } from '../load/publish-resource.js';
import { createTable } from '../load/shape-table.js';
import { childStageName, publishName, type StageName } from '../load/stage-table.js';
import { uniteColumns, type TypedTable } from '../load/unite-columns.js';
import type { Swap } from '../publish/swap-table.js';
import { tableColumns } from '../schema/table-columns.js';
import { keyColumns, ownColumns, PARENT_LOAD } from './child-columns.js';
import { childStages, deleteOrphans, type ChildRows } from './publish-child-rows.js';

export interface BuiltChild extends ChildRows {
  readonly swap: Swap;
}

/**
 * The child tables of a resource's table that is built anew: child rows of exactly its rows. In one transaction; another attempt
 * makes the same.
 */
export async function buildChildTables(session: Session, work: PublishWork, built: Built): Promise<BuiltChild[]> {
  const { lines, options } = work;
  const { schemas, resource } = options;
  const staged = lines.filter(({ status }) => status === 'staged');
  const isThere = lines.some(({ status }) => status === 'published');
  const children: BuiltChild[] = [];
  for (const child of childTables(resource)) {
    const target = { schema: schemas.raw, name: child.table };
    const former = await tableColumns(session, target.schema, target.name);
    const published: Source[] = isThere && former !== undefined ? [{ table: target, columns: keptColumns(former, lines, child), ofLoads: lines }] : []; // prettier-ignore
    const sources: Source[] = [...published, ...childStages({ schemas, staged }, child)];
    const [only] = sources;
    const table =
      sources.length === 1 && isThere === false && lines.length === 1
        ? await wholeStage(session, child, only!)
        : await combine(session, child, sources, work, built);
    if (built.madeWay.size > 0) await deleteOrphans(session, child, table, built.table);
    const rows = await countRows(session, table);
    // No element says what its columns are: the table keeps those that it has.
    if (rows === 0 && former !== undefined) await addColumns(session, table, former);
    children.push({ swap: { staged: table, target }, table: `${target.schema}.${target.name}`, rows });
  }
  return children;
}

/** Columns that only displaced files had do not stay. */
function keptColumns(
  former: ReadonlyMap<string, ColumnType>,
  lines: readonly LedgerLine[],
  child: ChildTable,
): Map<string, ColumnType> {
  const stages = lines.flatMap(({ reader }) => reader?.children ?? []).filter(({ target }) => target === child.table);
  const kept = new Set(stages.flatMap(({ columns }) => columns.map(({ name }) => name)));
  return new Map([...former].filter(([name]) => kept.has(name)));
}

/** The stage becomes the table as it is; its defaults served COPY. */
async function wholeStage(session: Session, child: ChildTable, { table }: TypedTable): Promise<StageName> {
  const nested = [...nestedColumns(child.children)].map((name) => `, DROP COLUMN IF EXISTS ${identifier(name)}`);
  await session.execute(
    `ALTER TABLE ${qualified(table.schema, table.name)} ALTER ${PARENT_LOAD} DROP DEFAULT, ALTER _load_id DROP DEFAULT,
       ALTER _loaded_at DROP DEFAULT${nested.join('')}`,
  );
  return table;
}

async function combine(
  session: Session,
  child: ChildTable,
  sources: readonly Source[],
  { options }: PublishWork,
  built: Built,
): Promise<StageName> {
  const { schemas, resource } = options;
  const table = childStageName(publishName(schemas.stage, options), child.position);
  const key = ownColumns(child, keyColumns(resource, built.columns));
  const own = new Map([[PARENT_LOAD, 'bigint' as const], ...key.map(({ name, type }) => [name, type] as const)]);
  const columns = sources.length === 0 ? own : await uniteColumns(session, sources, child.columns);
  await session.execute(`DROP TABLE IF EXISTS ${qualified(table.schema, table.name)}`);
  await createTable(session, table, columns);
  for (const source of sources) await copyRows(session, source, table, columns);
  return table;
}

async function addColumns(session: Session, table: StageName, former: ReadonlyMap<string, ColumnType>): Promise<void> {
  for (const [name, type] of former)
    await session.execute(
      `ALTER TABLE ${qualified(table.schema, table.name)} ADD COLUMN IF NOT EXISTS ${identifier(name)} ${type}`,
    );
}

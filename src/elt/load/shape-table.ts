import type { Session } from '../../model/database.js';
import { isByInterval } from '../../model/is-by-interval.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { changedTypes, changeType } from './change-type.js';
import type { TypeChange } from './claim-publication.js';
import type { StageName } from './stage-table.js';
import { uniteColumns, type TypedTable } from './unite-columns.js';

export interface Shape {
  readonly columns: ReadonlyMap<string, ColumnType>;
  readonly columnsAdded: readonly string[];
  readonly typesChanged: readonly TypeChange[];
  readonly isNew: boolean;
}

/** Makes a published table that holds what is in the stages, or adds the columns that are new, or widens those whose type changed. `former`: its columns so far, as of `tableColumns`. */
export async function shapeTable(
  session: Session,
  resource: Pick<ResourceConfig, 'columns' | 'at' | 'http' | 'interval'>,
  target: StageName,
  stages: readonly TypedTable[],
  former: ReadonlyMap<string, ColumnType> | undefined,
): Promise<Shape> {
  const table = qualified(target.schema, target.name);
  const sources = former === undefined ? stages : [{ table: target, columns: former }, ...stages];
  const columns = await uniteColumns(session, sources, resource.columns);
  // A backfill may begin with intervals that are older than a column.
  const declared = isByInterval(resource) ? Object.entries(resource.columns) : [];
  for (const [name, type] of declared) if (!columns.has(name)) columns.set(name, type);
  if (former === undefined) await createTable(session, target, columns);
  const added = former === undefined ? [] : [...columns].filter(([name]) => !former.has(name));
  for (const [name, type] of added)
    await session.execute(`ALTER TABLE ${table} ADD COLUMN ${identifier(name)} ${type}`);
  const typesChanged = changedTypes(former, columns);
  for (const { column, from, to } of typesChanged)
    await changeType(session, resource, target, { name: column, from, to });
  return { columns, columnsAdded: added.map(([name]) => name), typesChanged, isNew: former === undefined };
}

/** An empty table with these columns and the loader's own. */
export async function createTable(
  session: Session,
  { schema, name }: StageName,
  columns: ReadonlyMap<string, ColumnType>,
): Promise<void> {
  const own = [...columns].map(([column, type]) => `${identifier(column)} ${type}, `).join('');
  await session.execute(
    `CREATE TABLE ${qualified(schema, name)} (${own}_load_id bigint NOT NULL, _row_number bigint NOT NULL, _loaded_at timestamptz NOT NULL)`,
  );
}

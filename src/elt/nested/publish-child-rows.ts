import { childTables, nestedColumns, type ChildTable } from '../../model/child-tables.js';
import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig, Schemas } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { countRows } from '../load/count-rows.js';
import type { ChildStage, LedgerLine } from '../load/ledger.js';
import { readColumns } from '../load/read-columns.js';
import { shapeTable, type Shape } from '../load/shape-table.js';
import { stageOf, type StageName } from '../load/stage-table.js';
import type { TypedTable } from '../load/unite-columns.js';
import { ensureIndex } from '../merge/merge-index.js';
import { mergeKey, mergeStrategy } from '../merge/merge-key.js';
import { writtenColumns, writtenValues } from '../merge/unit.js';
import { tableColumns } from '../schema/table-columns.js';
import { valueAs } from '../schema/value-as.js';
import { keyColumns, keyName, rootRow } from './child-columns.js';
import { childResource } from './child-resource.js';
import { countChangedElements } from './count-changed-elements.js';

/** Of a whole child table. Plain JSON. */
export interface ChildRows {
  /** `schema.table` */
  readonly table: string;
  readonly rows: number;
}

export interface ChildPublication {
  readonly env: string;
  readonly project: string;
  readonly resource: ResourceConfig;
  readonly schemas: Schemas;
  /** The resource's own table, which has its new rows already. */
  readonly target: StageName;
  readonly columns: ReadonlyMap<string, ColumnType>;
  readonly staged: readonly LedgerLine[];
  /** Loads whose rows are gone from the target. */
  readonly displacedIds: readonly string[];
  /** Other rows are gone from the target too, whatever their load and key. */
  readonly isThinned: boolean;
  /** The target is made by this publication: child rows that are there came with a former one. */
  readonly isNew: boolean;
  /** Whether to count the rows of which an element is another. */
  readonly isCounted: boolean;
}

export interface PublishedChildren {
  readonly children: readonly ChildRows[];
  /** Staged rows that have other elements than were there, once for each child table; 0 where it is not counted. */
  readonly rowsChanged: number;
}

/**
 * Brings the child tables to what the resource's own table holds now, in the transaction that changed it: child rows of rows that are gone
 * or that newer ones took the place of go, those of rows that have come come. A row is the same as long as it has its load and its number.
 */
export async function publishChildRows(session: Session, work: ChildPublication): Promise<PublishedChildren> {
  const { resource, schemas } = work;
  const shaped: { child: ChildTable; table: StageName; stages: readonly TypedTable[]; shape: Shape }[] = [];
  for (const child of childTables(resource)) {
    const table = { schema: schemas.raw, name: child.table };
    const stages = childStages(work, child);
    const former = await tableColumns(session, table.schema, table.name);
    if (former !== undefined) await deleteDisplacedLoads(session, work, table);
    const shape = await shapeTable(session, childResource(resource, child), table, stages, former);
    shaped.push({ child, table, stages, shape });
  }
  let rowsChanged = 0;
  // Of all of them first: a child's child is compared by the place of its parent.
  for (const { child, table, shape } of work.isCounted ? shaped : [])
    rowsChanged += await countChanged(session, work, child, { table, columns: shape.columns });
  const children: ChildRows[] = [];
  for (const { child, table, stages, shape } of shaped) {
    const { columns } = shape;
    await deleteDisplaced(session, work, child, table);
    const isWhole = resource.write === 'append';
    for (const stage of stages) await addRows(session, work, child, { table, columns }, stage, isWhole);
    // Child rows from before rows had this key cannot be found by it.
    const isKeyNew = keyColumns(resource, work.columns).some(({ name }) => shape.columnsAdded.includes(keyName(child, name))); // prettier-ignore
    const mayBeBehind = work.isNew || isKeyNew || (await wasLeftOut(session, work, child));
    if (work.isThinned || (!shape.isNew && mayBeBehind)) await deleteOrphans(session, child, table, work.target);
    children.push(await rowsOf(session, table));
  }
  return { children, rowsChanged };
}

/** Whether a load that had columns was published while this was no child table, whose rows it then left as they were. Before the loads of this publication count. */
async function wasLeftOut(
  session: Session,
  { env, project, resource }: ChildPublication,
  child: ChildTable,
): Promise<boolean> {
  const [found] = await session.query<{ is: boolean }>(
    `SELECT EXISTS (SELECT 1 FROM plumbline.loads WHERE env = $1 AND project = $2 AND resource = $3 AND status = 'published'
       AND reader -> 'columns' <> '[]' AND NOT coalesce(reader -> 'children', '[]') @> jsonb_build_array(jsonb_build_object('target', $4::text))) AS is`,
    [env, project, resource.id, child.table],
  );
  return found!.is;
}

async function countChanged(
  session: Session,
  { resource, schemas, staged }: ChildPublication,
  child: ChildTable,
  table: TypedTable,
): Promise<number> {
  let rows = 0;
  for (const line of staged)
    for (const stage of childStages({ schemas, staged: [line] }, child))
      rows += await countChangedElements(session, { resource, schemas, child, line, stage, table });
  return rows;
}

/**
 * The same for rows that join those of their load later: `stages` has the child rows of all that were tried, of which the target has got some, and
 * others may have made way for them.
 */
export async function joinChildRows(
  session: Session,
  work: Pick<ChildPublication, 'resource' | 'schemas' | 'target' | 'columns'>,
  stages: readonly ChildStage[],
): Promise<ChildRows[]> {
  const { resource, schemas, target } = work;
  const published: ChildRows[] = [];
  for (const child of childTables(resource)) {
    const table = { schema: schemas.raw, name: child.table };
    const typed = stagesOf(schemas, stages, child);
    const former = await tableColumns(session, table.schema, table.name);
    const { columns } = await shapeTable(session, childResource(resource, child), table, typed, former);
    for (const stage of typed) {
      await addRows(session, work, child, { table, columns }, stage, false);
      await session.execute(`DROP TABLE ${qualified(stage.table.schema, stage.table.name)}`);
    }
    await deleteOrphans(session, child, table, target);
    published.push(await rowsOf(session, table));
  }
  return published;
}

/** What the child tables of a resource hold. */
export async function countChildRows(
  session: Session,
  { resource, schemas }: Pick<ChildPublication, 'resource' | 'schemas'>,
): Promise<ChildRows[]> {
  const counted: ChildRows[] = [];
  for (const { table } of childTables(resource))
    counted.push(await rowsOf(session, { schema: schemas.raw, name: table }));
  return counted;
}

async function rowsOf(session: Session, table: StageName): Promise<ChildRows> {
  return { table: `${table.schema}.${table.name}`, rows: await countRows(session, table) };
}

/** The stages of a child table, in the order of the loads. */
export function childStages(
  { schemas, staged }: Pick<ChildPublication, 'schemas' | 'staged'>,
  child: ChildTable,
): TypedTable[] {
  return stagesOf(schemas, staged.flatMap(({ reader }) => reader?.children ?? []), child); // prettier-ignore
}

function stagesOf({ stage: schema }: Schemas, stages: readonly ChildStage[], child: ChildTable): TypedTable[] {
  const nested = nestedColumns(child.children);
  return stages
    .filter(({ target }) => target === child.table)
    .map(({ table, columns }) => ({
      table: { schema, name: table },
      columns: new Map(columns.filter(({ name }) => !nested.has(name)).map(({ name, type }) => [name, type])),
    }));
}

/** Of `append`; before the table gets another form, as what makes way need not fit. */
async function deleteDisplacedLoads(
  session: Session,
  { resource, displacedIds }: ChildPublication,
  table: StageName,
): Promise<void> {
  if (resource.write !== 'append' || displacedIds.length === 0) return;
  await session.execute(`DELETE FROM ${qualified(table.schema, table.name)} WHERE _load_id = ANY($1::bigint[])`, [
    [...displacedIds],
  ]);
}

async function deleteDisplaced(
  session: Session,
  { resource, schemas, target, columns, staged }: ChildPublication,
  child: ChildTable,
  table: StageName,
): Promise<void> {
  if (resource.write === 'append') return;
  // A former state of a row keeps its elements.
  if (mergeStrategy(resource) === 'scd2') return;
  const key = mergeKey(resource);
  await ensureIndex(session, table, key.map((name) => keyName(child, name)), '', ''); // prettier-ignore
  const isThere = sameKey(child, key, columns, 't').join(' AND ');
  for (const line of staged) {
    const stage = stageOf(schemas.stage, line);
    const isOfKey = sameKey(child, key, columns, 's', readColumns(line, resource)).join(' AND ');
    await session.execute(
      // Both are looked up once a child row: a key may have many rows, in the stage and in the table.
      `DELETE FROM ${qualified(table.schema, table.name)} AS c
       WHERE EXISTS (SELECT 1 FROM ${qualified(stage.schema, stage.name)} AS s WHERE ${isOfKey})
         AND NOT EXISTS (SELECT 1 FROM ${qualified(target.schema, target.name)} AS t
           WHERE ${isThere} AND t._load_id = c._load_id AND t._row_number = c.${rootRow(child)})`,
    );
  }
}

/** `one.key = c.key` for each column, as the type that the resource's own table has: a stage's key may be of a narrower one. */
function sameKey(
  child: ChildTable,
  key: readonly string[],
  columns: ReadonlyMap<string, ColumnType>,
  one: 's' | 't',
  types: ReadonlyMap<string, ColumnType> = columns,
): string[] {
  return key.map(
    (name) =>
      `${valueAs(`${one}.${identifier(name)}`, columns.get(name)!, types.get(name))} = c.${identifier(keyName(child, name))}::${columns.get(name)!}`,
  );
}

/**
 * Rows of the stage whose row is in the target: a merge leaves out what is older than what is there, and deleted keys.
 *
 * @param isWhole all of them are
 */
async function addRows(
  session: Session,
  { resource, target, columns: own }: Pick<ChildPublication, 'resource' | 'target' | 'columns'>,
  child: ChildTable,
  { table, columns }: TypedTable,
  stage: TypedTable,
  isWhole: boolean,
): Promise<void> {
  const names = { names: [...stage.columns.keys()], types: stage.columns };
  // What rows are merged by has an index.
  const key = resource.write === 'merge' ? mergeKey(resource) : [];
  const isOfKey = sameKey(child, key, own, 't').map((same) => `${same} AND `);
  const isThere = isWhole
    ? ''
    : `WHERE EXISTS (SELECT 1 FROM ${qualified(target.schema, target.name)} AS t
         WHERE ${isOfKey.join('')}t._load_id = c._load_id AND t._row_number = c.${rootRow(child)})`;
  await session.execute(
    `INSERT INTO ${qualified(table.schema, table.name)} (${writtenColumns(names).join(', ')})
     SELECT ${writtenValues(names, columns, 'c').join(', ')} FROM ${qualified(stage.table.schema, stage.table.name)} AS c ${isThere}`,
  );
}

/** Child rows whose row is not in the resource's own table leave. */
export async function deleteOrphans(
  session: Session,
  child: ChildTable,
  table: StageName,
  target: StageName,
): Promise<void> {
  await session.execute(
    `DELETE FROM ${qualified(table.schema, table.name)} AS c WHERE NOT EXISTS (
       SELECT 1 FROM ${qualified(target.schema, target.name)} AS t WHERE t._load_id = c._load_id AND t._row_number = c.${rootRow(child)})`,
  );
}

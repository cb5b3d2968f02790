import type { ChildTable } from '../../model/child-tables.js';
import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig, Schemas } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import type { LedgerLine } from '../load/ledger.js';
import { stageOf, type StageName } from '../load/stage-table.js';
import type { TypedTable } from '../load/unite-columns.js';
import { mergeKey } from '../merge/merge-key.js';
import { INDEX, keyName, ownColumns, PARENT_LOAD, PARENT_ROW } from './child-columns.js';

/**
 * How many rows of a load have other elements than the child table has for their key, before it gets them. Elements are compared with their places,
 * those of a child's child also with the place of the one that has them; which load and row they came with is nothing of theirs.
 */
export async function countChangedElements(
  session: Session,
  work: {
    readonly resource: ResourceConfig;
    readonly schemas: Schemas;
    readonly child: ChildTable;
    readonly line: LedgerLine;
    /** The load's stage of the child table. */
    readonly stage: TypedTable;
    /** The published child table, which has all columns of the stage. */
    readonly table: TypedTable;
  },
): Promise<number> {
  const { resource, schemas, child, line, stage, table } = work;
  const key = mergeKey(resource);
  const keys = key
    .map((name) => keyName(child, name))
    .map((name) => `c.${identifier(name)}::${table.columns.get(name)!}`);
  const own = new Set([PARENT_LOAD, ...ownColumns(child, []).map(({ name }) => name), ...key.map((name) => keyName(child, name))]); // prettier-ignore
  const values = (of: ReadonlyMap<string, ColumnType>): string[] =>
    [...table.columns]
      .filter(([name]) => !own.has(name))
      .map(([name, type]) => (of.has(name) ? `c.${identifier(name)}::${type}` : `NULL::${type}`));
  const places = child.parent === undefined ? [`c.${INDEX}`] : [`p.${INDEX}`, `c.${INDEX}`];
  const select = (from: StageName, parent: StageName, of: ReadonlyMap<string, ColumnType>): string => {
    const join = `JOIN ${qualified(parent.schema, parent.name)} AS p ON p._load_id = c._load_id AND p._row_number = c.${PARENT_ROW}`;
    return `SELECT ${[...keys, ...places, ...values(of)].join(', ')}
      FROM ${qualified(from.schema, from.name)} AS c ${child.parent === undefined ? '' : join}`;
  };
  const above = line.reader?.children?.find(({ target }) => target === child.parent?.table)?.table ?? '';
  const staged = select(stage.table, { schema: schemas.stage, name: above }, stage.columns);
  const root = stageOf(schemas.stage, line);
  const isStaged = key
    .map((name, at) => `s.${identifier(name)}::${table.columns.get(keyName(child, name))!} = ${keys[at]!}`)
    .join(' AND ');
  const there = `${select(table.table, { schema: schemas.raw, name: child.parent?.table ?? '' }, table.columns)}
      WHERE EXISTS (SELECT 1 FROM ${qualified(root.schema, root.name)} AS s WHERE ${isStaged})`;
  const [counted] = await session.query<{ rows: number }>(
    `WITH staged AS (${staged}), there AS (${there}),
       changed AS ((TABLE staged EXCEPT ALL TABLE there) UNION ALL (TABLE there EXCEPT ALL TABLE staged))
     SELECT count(*)::float8 AS rows FROM (SELECT DISTINCT ${keys.map((_, at) => `c.k${at}`).join(', ')}
       FROM changed AS c (${keys.map((_, at) => `k${at}`).join(', ')})) AS keys`,
  );
  return counted?.rows ?? 0;
}

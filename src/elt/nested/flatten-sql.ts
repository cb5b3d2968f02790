import type { ChildTable } from '../../model/child-tables.js';
import type { ColumnType } from '../../model/project.js';
import { identifier, literal, qualified } from '../../model/sql-identifier.js';
import {
  INDEX,
  keyName,
  ownColumns,
  PARENT_LOAD,
  PARENT_ROW,
  rootRow,
  VALUE,
  type KeyColumn,
} from './child-columns.js';

/**
 * A SELECT of one text a row: each element of a nested column as a JSON object, what says where it belongs in front. A key that is called like that
 * gets a `_` behind. A list may hold objects, values or both; one object or value is a list of one; NULL and an empty list give no row.
 *
 * @param key of the resource's own table
 * @param columns of the stage that has the nested column
 */
export function flattenSql(
  child: ChildTable,
  key: readonly KeyColumn[],
  stage: { readonly schema: string; readonly name: string },
  columns: ReadonlyMap<string, ColumnType>,
): string {
  const column = `p.${identifier(child.field)}`;
  const nested = columns.get(child.field) === 'jsonb' ? column : `to_jsonb(${column})`;
  const above = child.parent;
  const places: readonly (readonly [string, string])[] = [
    [PARENT_ROW, 'p._row_number::text'],
    [INDEX, '(e.place - 1)::text'],
    ...(above === undefined ? [] : [[rootRow(child), `p.${identifier(rootRow(above))}::text`] as const]),
    ...key.map(({ name }) => {
      const there = `p.${identifier(above === undefined ? name : keyName(above, name))}`;
      return [keyName(child, name), `coalesce(to_jsonb(${there})::text, 'null')`] as const;
    }),
  ];
  const front = places.map(
    ([name, value], at) => `${literal(`${at === 0 ? '{' : ','}${JSON.stringify(name)}:`)} || ${value}`,
  );
  const own = [PARENT_LOAD, ...ownColumns(child, key).map(({ name }) => name)];
  const reserved = `ARRAY[${own.map(literal).join(', ')}]`;
  return `SELECT ${front.join(' || ')} || CASE WHEN r.record = '{}' THEN '}' ELSE ',' || substr(r.record::text, 2) END
    FROM ${qualified(stage.schema, stage.name)} AS p
    CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(${nested}) WHEN 'array' THEN ${nested} ELSE jsonb_build_array(${nested}) END)
      WITH ORDINALITY AS e (element, place)
    CROSS JOIN LATERAL (SELECT CASE
      WHEN jsonb_typeof(e.element) <> 'object' THEN jsonb_build_object(${literal(VALUE)}, e.element)
      WHEN e.element ?| ${reserved} THEN (SELECT jsonb_object_agg(CASE WHEN m.key = ANY(${reserved}) THEN m.key || '_' ELSE m.key END, m.value)
        FROM jsonb_each(e.element) AS m)
      ELSE e.element END AS record) AS r
    WHERE ${column} IS NOT NULL AND jsonb_typeof(${nested}) <> 'null'`;
}

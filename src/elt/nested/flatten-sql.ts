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

export interface FlattenedSql {
  /** What stands behind FROM: a row an element, which is the object `r.record`. */
  readonly from: string;
  /** What says where an element belongs: column → its expression over `from`. */
  readonly own: ReadonlyMap<string, string>;
}

/**
 * The elements of a nested column. A list may hold objects, values or both; one object or value is a list of one; NULL and an empty list have no
 * element. A key that is called like a column of the loader's gets a `_` behind.
 *
 * @param key of the resource's own table
 * @param columns of the stage that has the nested column
 */
export function flattenSql(
  child: ChildTable,
  key: readonly KeyColumn[],
  stage: { readonly schema: string; readonly name: string },
  columns: ReadonlyMap<string, ColumnType>,
): FlattenedSql {
  const column = `p.${identifier(child.field)}`;
  const nested = columns.get(child.field) === 'jsonb' ? column : `to_jsonb(${column})`;
  const above = child.parent;
  const own = new Map([
    [PARENT_ROW, 'p._row_number'],
    [INDEX, 'e.place - 1'],
    ...(above === undefined ? [] : [[rootRow(child), `p.${identifier(rootRow(above))}`] as const]),
    ...key.map(
      ({ name }) =>
        [keyName(child, name), `p.${identifier(above === undefined ? name : keyName(above, name))}`] as const,
    ),
  ]);
  const names = [PARENT_LOAD, ...ownColumns(child, key).map(({ name }) => name)];
  const reserved = `ARRAY[${names.map(literal).join(', ')}]`;
  // Also those that would be called like one that got its `_`.
  const near = `ARRAY[${names
    .flatMap((name) => [name, `${name}_`, `${name}__`])
    .map(literal)
    .join(', ')}]`;
  return {
    own,
    from: `${qualified(stage.schema, stage.name)} AS p
      CROSS JOIN LATERAL jsonb_array_elements(CASE coalesce(jsonb_typeof(${nested}), 'null')
        WHEN 'array' THEN ${nested} WHEN 'null' THEN '[]' ELSE jsonb_build_array(${nested}) END) WITH ORDINALITY AS e (element, place)
      CROSS JOIN LATERAL (SELECT CASE
        WHEN jsonb_typeof(e.element) <> 'object' THEN jsonb_build_object(${literal(VALUE)}, e.element)
        WHEN e.element ?| ${near} THEN (SELECT jsonb_object_agg(CASE WHEN rtrim(m.key, '_') = ANY(${reserved}) THEN m.key || '_' ELSE m.key END, m.value)
          FROM jsonb_each(e.element) AS m)
        ELSE e.element END AS record
        -- Made once an element, whatever is taken of it.
        OFFSET 0) AS r`,
  };
}

import type { ChildTable } from '../../model/child-tables.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { nameColumns } from '../schema/name-columns.js';

/** Equal to `_load_id`, as a child is loaded with its parent; there so that a join says what it means. */
export const PARENT_LOAD = '_parent_load_id';
export const PARENT_ROW = '_parent_row_number';
/** Place in the list, from 0. */
export const INDEX = '_index';
/** Of a child's child: the row of the resource's own table. */
const ROOT_ROW = '_root_row_number';
/** Where an element that is no object stands. */
export const VALUE = 'value';

/** A column of the resource's own table that says which row it is. */
export interface KeyColumn {
  readonly name: string;
  readonly type: ColumnType;
}

/** With `_load_id`, the row of the resource's own table that a child row came with. */
export function rootRow({ parent }: Pick<ChildTable, 'parent'>): string {
  return parent === undefined ? PARENT_ROW : ROOT_ROW;
}

/** What a key of the resource's own table is called in a child table: `_parent_id`, further down `_root_id`. */
export function keyName({ parent }: Pick<ChildTable, 'parent'>, key: string): string {
  const name = `${parent === undefined ? '_parent_' : '_root_'}${key}`;
  return nameColumns([TAKEN.has(name) ? `${name}_` : name], '').names[0]!;
}

const TAKEN: ReadonlySet<string> = new Set([PARENT_LOAD, PARENT_ROW, ROOT_ROW]);

/** The columns by which rows are found: primary key and merge key, as far as the table has them. */
export function keyColumns(
  { primaryKey, merge }: Pick<ResourceConfig, 'primaryKey' | 'merge'>,
  columns: ReadonlyMap<string, ColumnType>,
): KeyColumn[] {
  return [...new Set([...primaryKey, ...(merge?.key ?? [])])].flatMap((name) => {
    const type = columns.get(name);
    return type === undefined ? [] : [{ name, type }];
  });
}

/** A child table's columns that are not of its elements, `_parent_load_id` aside; in their order. */
export function ownColumns(child: Pick<ChildTable, 'parent'>, key: readonly KeyColumn[]): KeyColumn[] {
  const root = child.parent === undefined ? [] : [ROOT_ROW];
  return [
    ...[PARENT_ROW, INDEX, ...root].map((name) => ({ name, type: 'bigint' as const })),
    ...key.map(({ name, type }) => ({ name: keyName(child, name), type })),
  ];
}

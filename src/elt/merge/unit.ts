import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { valueAs } from '../schema/value-as.js';

interface Table {
  readonly schema: string;
  readonly name: string;
  /** Only rows of these loads count; of all when it is missing. */
  readonly ofLoads?: readonly string[];
}

/** Rows with their `_load_id`, `_row_number` and `_loaded_at`. */
export interface UnitStage {
  readonly table: Table;
  /** Its own columns. */
  readonly names: readonly string[];
  /** Their types, where these may be others than the target's. */
  readonly types?: ReadonlyMap<string, ColumnType>;
  readonly loadId: string;
}

/** What is put into the published table at once: a file, or everything that an API was asked for. */
export interface Unit {
  readonly resource: ResourceConfig;
  readonly target: Table;
  /** Columns of the target. */
  readonly columns: ReadonlyMap<string, ColumnType>;
  readonly stages: readonly UnitStage[];
  /** Loads that are published in the same transaction, in their order. */
  readonly batch: readonly string[];
}

/** What stands behind FROM, USING or INTO. */
export function sqlName({ schema, name, ofLoads }: Table): string {
  const table = qualified(schema, name);
  return ofLoads === undefined
    ? table
    : `(SELECT * FROM ${table} WHERE _load_id IN (${ofLoads.map((id) => BigInt(id)).join(', ')}))`;
}

/** `one.a = other.a AND one.b = other.b` */
export function sameKey(key: readonly string[], one: string, other: string): string {
  return key.map((column) => `${one}.${identifier(column)} = ${other}.${identifier(column)}`).join(' AND ');
}

/** A stage's columns as they stand in an INSERT, with the loader's own. */
export function writtenColumns({ names }: Pick<UnitStage, 'names'>): string[] {
  return [...names, '_load_id', '_row_number', '_loaded_at'].map(identifier);
}

/** A stage's values in the order of `writtenColumns`, each as the target's type. */
export function writtenValues(
  { names, types }: Pick<UnitStage, 'names' | 'types'>,
  columns: ReadonlyMap<string, ColumnType>,
  alias: string,
): string[] {
  return [
    ...names.map((name) => valueAs(`${alias}.${identifier(name)}`, columns.get(name)!, types?.get(name))),
    ...['_load_id', '_row_number', '_loaded_at'].map((name) => `${alias}.${name}`),
  ];
}

/** Whether a staged row says that its key is deleted at the source: true, or any value but NULL where it is no boolean. */
export function isDeleted({ resource, columns }: Unit, { names }: Pick<UnitStage, 'names'>, alias: string): string {
  const name = resource.merge?.hardDelete;
  if (name === undefined || !names.includes(name)) return 'false';
  const column = `${alias}.${identifier(name)}`;
  return columns.get(name) === 'boolean' ? `coalesce(${column}::boolean, false)` : `${column} IS NOT NULL`;
}

import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { identifier } from '../../model/sql-identifier.js';
import { valueAs } from '../schema/value-as.js';
import { mergeStrategy } from './merge-key.js';

/** Column beside the keys: whether the row is one that the loads so far have asked for. No column of a source begins with a blank. */
export const ASKED = ' asked';

/** Which rows of a table `t` are those of now, as a condition: of a history the states that have no end. */
export function isPresent(resource: ResourceConfig): string {
  return mergeStrategy(resource) === 'scd2' ? 't._valid_to IS NULL' : 'true';
}

/** That a row of the table `t` has the primary key of a row of `k`, the keys as the source has them. */
export function hasSourceKey(
  resource: ResourceConfig,
  columns: ReadonlyMap<string, ColumnType>,
  keyTypes: ReadonlyMap<string, ColumnType>,
): string {
  return resource.primaryKey
    .map(
      (name) => `t.${identifier(name)} = ${valueAs(`k.${identifier(name)}`, columns.get(name)!, keyTypes.get(name))}`,
    )
    .join(' AND ');
}

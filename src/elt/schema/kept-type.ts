import type { ColumnType } from '../../model/project.js';
import type { Inferred } from './infer-types.js';
import { commonType } from './unify-columns.js';

/**
 * The type of an inferred column of a table that is made anew: the published one where that holds all values exactly, else the narrowest that
 * also holds what the published one did. What reads the table goes on reading it.
 *
 * @example keptType('text', inferred from 11, 12) // text, not bigint
 */
export function keptType(published: ColumnType, { type, hasValues, isSmall }: Inferred): ColumnType {
  return hasValues ? commonType(published, type, isSmall) : published;
}

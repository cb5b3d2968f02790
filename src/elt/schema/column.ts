import type { ColumnType } from '../../model/project.js';

/** A column of a loaded table. `header` is its name in the file, where that differs from `name`. */
export interface LoadColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly header: string;
}

/** Columns that every loaded table has beside the file's own. */
export const metadataColumns = ['_load_id', '_row_number', '_loaded_at'] as const;

/** Those of a table that keeps former states of its rows. */
export const validityColumns = ['_valid_from', '_valid_to'] as const;

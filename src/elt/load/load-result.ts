import type { LoadColumn } from '../schema/column.js';

/** A raw object in the landing zone. Plain JSON. */
export interface ExtractedObject {
  /** As the project names it: relative to its root where it lies inside, with forward slashes. */
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  /** The content was there before this extract. */
  readonly isUnchanged: boolean;
  /** What was left out when it was extracted, one sentence each. */
  readonly notices?: readonly string[];
  /** The extract whose source states the types of its columns. */
  readonly statedBy?: string;
}

/** What became of one object. Plain JSON. */
export interface LoadResult {
  readonly loadId: string;
  /** `already_loaded`: the same content was published before; nothing was read. */
  readonly status: 'staged' | 'already_loaded';
  /** `<path>@<sha256>` */
  readonly unit: string;
  readonly path: string;
  readonly sha256: string;
  /** rowsRead = rowsLoaded + rowsRejected + rowsDuplicate, checked. */
  readonly rowsRead: number;
  readonly rowsLoaded: number;
  readonly rowsRejected: number;
  readonly rowsDuplicate: number;
  readonly columns: readonly LoadColumn[];
  /** The table that publication will change: `schema.table`. */
  readonly table: string;
  /** The row at which this attempt began to read; 1 unless it resumed. */
  readonly resumedFromRow: number;
  /** Renamed columns, misfits: one sentence each. */
  readonly notices: readonly string[];
}

export interface LoadProgress {
  readonly rowsRead: number;
  readonly rowsTotal: number;
  readonly rowsRejected: number;
}

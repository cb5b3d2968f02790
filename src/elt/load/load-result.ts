import type { ResourceConfig, Schemas } from '../../model/project.js';
import type { LoadColumn } from '../schema/column.js';
import type { LedgerLine } from './ledger.js';

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
  /** The interval that it was read for, of a resource whose loads are about one. ISO times. */
  readonly interval?: { readonly start: string; readonly end: string };
  /** The extract whose source states the types of its columns. */
  readonly statedBy?: string;
  /** See `markShortened`: it is read anew though it is loaded. */
  readonly isShortened?: true;
}

/** What became of one object. Plain JSON. */
export interface LoadResult {
  readonly loadId: string;
  /** `already_loaded`: the same content was published before; nothing was read. */
  readonly status: 'staged' | 'already_loaded';
  /** `<path>@<sha256>`, and the interval where it is about one */
  readonly unit: string;
  readonly path: string;
  readonly sha256: string;
  /** rowsRead = rowsLoaded + rowsRejected + rowsDuplicate + rowsOutside + rows of forgotten keys, checked. */
  readonly rowsRead: number;
  readonly rowsLoaded: number;
  readonly rowsRejected: number;
  readonly rowsDuplicate: number;
  /** Left out because their time is not in the interval. */
  readonly rowsOutside: number;
  /** Values that the contract dropped, by column. */
  readonly discarded: Readonly<Record<string, number>>;
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

/** @param fromRow where this attempt began */
export function resultOf(
  options: { readonly schemas: Schemas; readonly resource: ResourceConfig },
  line: LedgerLine,
  fromRow: number,
): LoadResult {
  return {
    loadId: line.loadId,
    status: line.status === 'published' ? 'already_loaded' : 'staged',
    unit: line.unit,
    path: line.path,
    sha256: line.sha256,
    rowsRead: line.rowsRead,
    rowsLoaded: line.rowsLoaded,
    rowsRejected: line.rowsRejected,
    rowsDuplicate: line.rowsDuplicate,
    rowsOutside: line.rowsOutside,
    discarded: line.discarded,
    columns: line.reader?.columns ?? [],
    table: `${options.schemas.raw}.${options.resource.table}`,
    resumedFromRow: fromRow,
    notices: [
      ...(line.rowsForgotten === 0 ? [] : [`Rows of forgotten keys that were taken out: ${line.rowsForgotten}.`]),
      ...withoutKey(options.resource, line),
      ...(line.reader?.notices ?? []),
    ],
  };
}

/** Columns that say whose a row is and are not in what was read: a forgotten key would come back unseen. */
function withoutKey({ id, personal = [] }: ResourceConfig, { reader, path }: LedgerLine): string[] {
  if (reader === null) return [];
  return personal
    .filter(({ column }) => !reader.columns.some(({ name }) => name === column))
    .map(
      ({ key, column }) =>
        `${id}: ${path} has no column ${JSON.stringify(column)}, which \`personal.${key}\` names; no forgotten key is found in it.`,
    );
}

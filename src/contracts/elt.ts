import { z } from 'zod';
import { runRef } from './run.js';

export const resourceInput = z.object({ run: runRef, resource: z.string() });
export type ResourceInput = z.infer<typeof resourceInput>;

/** What `extractResource` found: the objects, or that all of them are loaded already. */
export interface ExtractResult {
  readonly objects: readonly unknown[];
  /** How many of them load in one step, in their order. Missing in what older workers gave. */
  readonly groups?: readonly number[];
  /** The line of plumbline.extracts that has the pages of an API. */
  readonly extractId?: string;
  /** Of a resource with an inventory. */
  readonly inventory?: InventorySummary;
  readonly reused?: LoadSummary;
}

/** What became of the objects that an inventory names. */
export const inventorySummary = z.object({
  expected: z.number(),
  /** By the attempt that ended the extract; the others were there. */
  fetched: z.number(),
  /** That the server does not have. */
  missing: z.number(),
  /** The first of them. */
  firstMissing: z.array(z.string()),
});
export type InventorySummary = z.infer<typeof inventorySummary>;

export const loadObjectInput = resourceInput.extend({ object: z.custom<unknown>() });
export type LoadObjectInput = z.infer<typeof loadObjectInput>;

export const loadObjectsInput = resourceInput.extend({ objects: z.array(z.custom<unknown>()) });
export type LoadObjectsInput = z.infer<typeof loadObjectsInput>;

/** What became of one object: little, because a resource may have many and they all go to `publishResource`. */
export const loadedObject = z.object({
  loadId: z.string(),
  status: z.enum(['staged', 'already_loaded']),
  path: z.string(),
  sha256: z.string(),
  rowsRead: z.number(),
  rowsLoaded: z.number(),
  rowsRejected: z.number(),
  rowsDuplicate: z.number(),
  /** Of another interval; absent when there were none. */
  rowsOutside: z.number().optional(),
  /** Values that the contract dropped, by column; absent when none were. */
  discarded: z.record(z.string(), z.number()).optional(),
  /** What the loader decided by itself, e.g. a shortened column name; at most three. */
  notices: z.array(z.string()),
});
export type LoadedObject = z.infer<typeof loadedObject>;

export const publishResourceInput = resourceInput.extend({
  loads: z.array(loadedObject),
  extractId: z.string().optional(),
  inventory: inventorySummary.optional(),
});
export type PublishResourceInput = z.infer<typeof publishResourceInput>;

/** One resource of one run: rows in = loaded + rejected + duplicates + outside. */
export interface LoadSummary {
  readonly resource: string;
  readonly table: string;
  readonly rowsRead: number;
  readonly rowsLoaded: number;
  readonly rowsRejected: number;
  readonly rowsDuplicate: number;
  /** Left out because their time is not in the interval; absent when there were none. */
  readonly rowsOutside?: number;
  readonly tableRows: number;
  /** Rows of the child tables; absent when there are none. */
  readonly children?: readonly { readonly table: string; readonly rows: number }[];
  /** Names the table's content: changes when its rows do. */
  readonly version: string;
  readonly objects: readonly { readonly path: string; readonly sha256: string; readonly loadId: string }[];
  /** What an API or a database was asked for. */
  readonly extract?: ExtractSummary;
  /** What became of quarantined rows that were retried, when that is what the run did. */
  readonly retried?: { readonly loadId: string; readonly accepted: number; readonly rejected: number };
  readonly inventory?: InventorySummary;
  /** What the loads renamed or could not read as it was meant, one sentence each. */
  readonly notices?: readonly string[];
}

export interface ExtractSummary {
  /** Of an API. */
  readonly pages?: number;
  /** Of an API that is asked for rows of a table one by one. */
  readonly parents?: {
    readonly asked: number;
    /** For which the server has nothing: 404 or 410. */
    readonly missing: number;
  };
  readonly cursor?: {
    readonly field: string;
    /** Its state before; missing in a first load. */
    readonly from?: string;
    /** The greatest that came, but not after the time of asking. */
    readonly to?: string;
    /** Rows from before `from` that were not there: the lag has caught them. */
    readonly rowsLate: number;
    /** Rows that have none: they are loaded, and come again only if they change. */
    readonly rowsWithout: number;
  };
}

export const retryRejectsInput = z.object({ run: runRef });
export type RetryRejectsInput = z.infer<typeof retryRejectsInput>;

export const transformInput = z.object({ run: runRef, transform: z.string() });
export type TransformInput = z.infer<typeof transformInput>;

export interface TestWarning {
  readonly test: string;
  /** Failing rows or values. */
  readonly failures: number;
  readonly at: { readonly file: string; readonly line: number };
}

export interface TransformSummary {
  readonly transform: string;
  readonly kind: 'view' | 'table';
  readonly rows: number;
  readonly testsPassed: number;
  /** Tests of severity `warn` that failed; absent when none did. */
  readonly warnings?: readonly TestWarning[];
  /** Sources it reads that are older than they should be, in words; absent when none is. */
  readonly stale?: readonly string[];
  /** Rows the SELECT gave to an incremental table that was there; absent when the table was built whole. */
  readonly incrementRows?: number;
  readonly version: string;
}

export interface EltResult {
  readonly loads: readonly LoadSummary[];
  readonly transforms: readonly TransformSummary[];
}

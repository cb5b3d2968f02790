import { z } from 'zod';
import { runRef } from './run.js';

/** One garbage collection for a project in an environment. */
export const garbageCollectionInput = runRef
  .pick({ env: true, project: true, bundle: true, root: true, searchAttributes: true })
  .extend({
    /** Milliseconds; what has none is kept for good. */
    retention: z.object({
      rawMs: z.number().optional(),
      runsMs: z.number().optional(),
      rejectsMs: z.number().optional(),
      predictionsMs: z.number().optional(),
      graceMs: z.number(),
    }),
    startedBy: z.string(),
    /** Counts what would go, and changes nothing. */
    dryRun: z.boolean(),
  });
export type GarbageCollectionInput = z.infer<typeof garbageCollectionInput>;

export const collectGarbageInput = garbageCollectionInput.extend({
  /** Of the workflow: an attempt that is repeated goes on with it. */
  collectionId: z.string(),
});
export type CollectGarbageInput = z.infer<typeof collectGarbageInput>;

interface Amount {
  readonly count: number;
  readonly bytes: number;
}

export interface GarbageCollectionResult {
  readonly collectionId: string;
  readonly dryRun: boolean;
  /** ISO 8601: objects used since are kept. */
  readonly usedBefore: string;
  /** Records that were too old: table → rows. */
  readonly expired: Readonly<Record<string, number>>;
  readonly looked: Amount;
  /** By what refers to them, or `recent`. */
  readonly kept: Readonly<Record<string, Amount>>;
  readonly deleted: Amount;
  /** Uploads and temporary files of processes that are gone. */
  readonly unfinished: Amount;
  /** Stages that no load or build will read; absent when a run was in the way. */
  readonly stages?: readonly string[];
}

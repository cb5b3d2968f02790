import { z } from 'zod';
import { INTERVAL_LENGTHS } from '../model/interval-grid.js';
import { MOST_PARALLEL } from './most-parallel.js';
import { dataInterval, runRef, STAGES, type RunInterval } from './run.js';

/** A run that is not started yet: everything but its id and what it is about. */
export const runTemplate = runRef.omit({ runId: true, interval: true, once: true, keepLoaded: true });
export type RunTemplate = z.infer<typeof runTemplate>;

export const intervalGrid = z.object({ length: z.enum(INTERVAL_LENGTHS), timezone: z.string() });

/** One start of a schedule: a run, or one for each interval that is over and not done. */
export const scheduledRunInput = z.object({
  schedule: z.string(),
  template: runTemplate,
  stages: z.array(z.enum(STAGES)),
  grid: intervalGrid.optional(),
  /** Where a start goes on that was continued as a new workflow. */
  position: z
    .object({
      /** The schedule's own time, ISO. */
      scheduledAt: z.string(),
      after: z.string().optional(),
      /** What failed in earlier starts and is left to be tried again in this one. */
      retries: z.array(dataInterval).optional(),
      done: z.number(),
      failed: z.number(),
      failedInARow: z.number(),
    })
    .optional(),
});
export type ScheduledRunInput = z.infer<typeof scheduledRunInput>;

/** Runs for intervals of the past, whatever the schedules. */
export const backfillInput = z.object({
  backfillId: z.string(),
  template: runTemplate,
  stages: z.array(z.enum(STAGES)),
  grid: intervalGrid,
  /** ISO times: intervals that lie between them. */
  from: z.string(),
  until: z.string(),
  failedOnly: z.boolean(),
  startedBy: z.string(),
  /** Intervals at work: one that runs, and those that are landed ahead of their runs. Absent: 1. */
  parallel: z.number().int().min(1).max(MOST_PARALLEL).optional(),
  position: z
    .object({
      after: z.string().optional(),
      done: z.number(),
      failed: z.number(),
      failedInARow: z.number(),
      paused: z.boolean(),
    })
    .optional(),
});
export type BackfillInput = z.infer<typeof backfillInput>;

export const missingIntervalsInput = z.object({
  /** What the runs do of the elt stage; absent: all of it, as for an older worker. */
  ...runRef.pick({ only: true, select: true, exclude: true }).shape,
  env: z.string(),
  project: z.string(),
  grid: intervalGrid,
  /** Intervals from where that schedule begins; else `from`. */
  schedule: z.string().optional(),
  from: z.string().optional(),
  until: z.string(),
  /** Leaves out what was tried already: intervals that start before it. */
  after: z.string().optional(),
  failedOnly: z.boolean(),
  /** Those that failed are told of apart, and are no missing ones. Absent in what an older worker asks. */
  failedApart: z.boolean().optional(),
  /** What is done counts as missing. */
  again: z.boolean(),
});
export type MissingIntervalsInput = z.infer<typeof missingIntervalsInput>;

/** The run that will be: with its id and its interval. */
export const landAheadInput = z.object({ run: runRef });
export type LandAheadInput = z.infer<typeof landAheadInput>;

export interface LandedAhead {
  /** Ids of the resources that are landed as a whole. */
  readonly resources: readonly string[];
}

export interface MissingIntervals {
  /** The first of them, oldest first. */
  readonly intervals: readonly RunInterval[];
  /** How many there are in all, counted up to 10,000. */
  readonly total: number;
  /** With `failedApart`: those that failed, the one first whose last try is the longest ago; 50 at most. */
  readonly failed?: readonly RunInterval[];
}

export interface IntervalsResult {
  /** Runs that succeeded. */
  readonly done: number;
}

export interface BackfillProgress {
  readonly backfillId: string;
  readonly state: 'running' | 'paused' | 'over';
  readonly done: number;
  readonly failed: number;
  /** What is left, the running one included. */
  readonly left: number;
  /** Intervals that are landed while one runs; absent where none are. */
  readonly ahead?: number;
  /** What runs now, as `--interval` takes it, and its run. */
  readonly interval?: string;
  readonly runId?: string;
}

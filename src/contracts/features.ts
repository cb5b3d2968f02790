import { z } from 'zod';
import type { TrainingSet } from '../model/training-set.js';
import { runRef } from './run.js';

/** `set` is `main` or the name of a variant. */
export const trainingSetInput = z.object({ run: runRef, set: z.string() });
export type TrainingSetInput = z.infer<typeof trainingSetInput>;

export interface TrainingSetSummary {
  readonly set: string;
  readonly trainingSet: TrainingSet;
  readonly leakCheck: string;
}

export interface FeaturesResult {
  readonly sets: readonly TrainingSetSummary[];
}

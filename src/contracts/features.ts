import { z } from 'zod';
import type { TrainingSet } from '../model/training-set.js';
import type { TestWarning } from './elt.js';
import { runRef } from './run.js';

/** `set` is `main` or the name of a variant. */
export const trainingSetInput = z.object({ run: runRef, set: z.string() });
export type TrainingSetInput = z.infer<typeof trainingSetInput>;

export interface TrainingSetSummary {
  readonly set: string;
  readonly trainingSet: TrainingSet;
  /** What the run's line says of it. */
  readonly leakCheck: string;
  /** Rules of the leak check that could not be computed, with the reason; outcomes of older versions have none. */
  readonly notChecked?: readonly string[];
  /** Tests of severity `warn` that failed, of ephemeral transforms that only feature views or labels read. */
  readonly warnings?: readonly TestWarning[];
}

export interface FeaturesResult {
  readonly sets: readonly TrainingSetSummary[];
}

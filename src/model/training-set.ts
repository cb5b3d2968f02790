import type { ArtifactRef } from './artifact.js';

export type Task = 'regression' | 'binary';

export interface FeatureColumn {
  readonly name: string;
  /** Feature view it comes from. */
  readonly view: string;
  readonly kind: 'number' | 'text';
  /** 0..1 over all rows. */
  readonly nullShare: number;
}

/** A Parquet snapshot of labels joined with features as they were known, plus what a trainer must know of it. */
export interface TrainingSet {
  readonly artifact: ArtifactRef;
  readonly rows: number;
  readonly trainRows: number;
  readonly testRows: number;
  /** Label rows left out because their target is missing. */
  readonly unlabelledRows?: number;
  readonly task: Task;
  readonly entity: readonly string[];
  readonly labelTime: string;
  readonly target: string;
  readonly horizonMs: number;
  readonly testFrom: string;
  readonly features: readonly FeatureColumn[];
  /** Printed in `plan` and on the model card, e.g. `weather: known at target − 24 h (declared)`. */
  readonly assumptions: readonly string[];
  /** What it was built from, for tracing: table → version (load id or fingerprint). */
  readonly inputs: Readonly<Record<string, string>>;
  /**
   * What gives its columns their meaning: SQL file → SHA-256, `source rides` → SHA-256 of the declared types. Absent on
   * sets of before this was recorded.
   */
  readonly definitions?: Readonly<Record<string, string>>;
}

/** Column of the Parquet file that says `train` or `test`. */
export const SPLIT_COLUMN = '_split';

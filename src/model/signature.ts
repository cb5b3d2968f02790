import type { Task } from './training-set.js';

/** Open Inference Protocol datatypes that plumbline's graphs use. */
export type Datatype = 'FP32' | 'BYTES' | 'INT64';

export interface ModelInput {
  readonly name: string;
  readonly datatype: 'FP32' | 'BYTES';
  /** Whether the column had missing values in the training or held-out rows, so that null is a value it knows. */
  readonly nullable: boolean;
  /** Categories that training kept (at most `max_categories`); others follow the model's stated policy (treated as missing). */
  readonly categories?: readonly string[];
}

export interface ModelOutput {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/** What a model takes and gives. Each input is a column of shape [rows, 1]; a missing number is NaN, a missing text ''. */
export interface ModelSignature {
  readonly task: Task;
  readonly inputs: readonly ModelInput[];
  /** First output: `prediction` (regression) or `probability` of class 1 (binary), FP32 [rows, 1]. */
  readonly outputs: readonly ModelOutput[];
}

import type { FloatMatrix } from './float-matrix.js';
import type { Scorer } from './onnx/export-onnx.js';
import type { Preprocessing } from './preprocessing/preprocessing.js';

/** What every trainer gives back once it is fit. */
export interface FittedEstimator {
  readonly preprocessing: Preprocessing;
  readonly parameters: Readonly<Record<string, number>>;
  readonly scorer: Scorer;
  /** Predictions (or probabilities of 1) as float32 numbers, length X.rows. */
  readonly predict: (X: FloatMatrix) => Float64Array;
  /** One number per column of the matrix. */
  readonly importance: Float64Array;
}

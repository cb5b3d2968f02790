import { Pace } from '../../table/pace.js';

export interface StandardizeParameters {
  /** Mean, float32. */
  readonly offset: number;
  /** 1 / standard deviation (of the population, as scikit-learn), float32; 1 for a constant column, 0 for one to be ignored. */
  readonly scale: number;
}

/**
 * Scores are cut off here (2^50, exact in float32 and float64): a column that hardly varied in training and differs later
 * would otherwise make a prediction infinite.
 */
export const SCORE_LIMIT = 2 ** 50;

/** Statistics in float64 over `values` (no NaN), then rounded to float32. */
export async function fitStandardize(values: Float32Array, pace = new Pace()): Promise<StandardizeParameters> {
  const n = values.length;
  let mean = 0;
  let isConstant = true;
  const addValues = (from: number, to: number): void => {
    for (let row = from; row < to; row++) {
      mean += values[row]! / n;
      if (values[row] !== values[0]) isConstant = false;
    }
  };
  await pace.overRows(n, addValues, 2);
  if (isConstant) return { offset: values[0] ?? 0, scale: 1 };
  let variance = 0;
  const addSquares = (from: number, to: number): void => {
    for (let row = from; row < to; row++) variance += (values[row]! - mean) ** 2 / n;
  };
  await pace.overRows(n, addSquares, 2);
  const scale = Math.fround(1 / Math.sqrt(variance));
  // A spread below float32's smallest normal number has no float32 inverse: such a column says nothing.
  return { offset: Math.fround(mean), scale: Number.isFinite(scale) ? scale : 0 };
}

/** (x − offset) × scale with float32 rounding after each operation, as ONNX's Scaler computes it, within ±SCORE_LIMIT. */
export function standardize(values: Float32Array, { offset, scale }: StandardizeParameters): Float32Array {
  const scores = new Float32Array(values.length);
  for (let row = 0; row < values.length; row++) {
    const score = Math.fround(Math.fround(values[row]! - offset) * scale);
    scores[row] = Math.min(SCORE_LIMIT, Math.max(-SCORE_LIMIT, score));
  }
  return scores;
}

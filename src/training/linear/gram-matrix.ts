import { Pace } from '../../table/pace.js';
import type { FloatMatrix } from '../float-matrix.js';

/** Rows summed at a time; fixed, so that the order of additions is too. */
const BLOCK = 4096;

export interface NormalEquations {
  /** X'WX of [1, X], (p + 1) × (p + 1), row-major, both triangles; row 0 is the intercept. */
  readonly matrix: Float64Array;
  /** X'v of [1, X], length p + 1. */
  readonly vector: Float64Array;
}

/**
 * Weighted sums of squares and products in float64, with a leading column of ones. O(rows × p²).
 * @param weights length rows, or undefined for 1
 * @param target v, length rows (not weighted)
 */
export async function gramMatrix(
  X: FloatMatrix,
  weights: Float64Array | undefined,
  target: Float64Array,
  signal?: AbortSignal,
): Promise<NormalEquations> {
  const p = X.columns.length + 1;
  const matrix = new Float64Array(p * p);
  const vector = new Float64Array(p);
  const block = Array.from({ length: p }, () => new Float64Array(BLOCK));
  const weighted = new Float64Array(BLOCK);
  block[0]!.fill(1);
  const pace = new Pace(signal);
  signal?.throwIfAborted();
  for (let start = 0; start < X.rows; start += BLOCK) {
    const length = Math.min(BLOCK, X.rows - start);
    for (let j = 1; j < p; j++) block[j]!.set(X.columns[j - 1]!.subarray(start, start + length));
    for (let i = 0; i < p; i++) {
      const left = block[i]!;
      for (let row = 0; row < length; row++) weighted[row] = left[row]! * (weights?.[start + row] ?? 1);
      for (let j = 0; j <= i; j++) matrix[i * p + j]! += dot(weighted, block[j]!, length);
      vector[i]! += dot(left, target.subarray(start, start + length), length);
      await pace.after(length * (i + 2));
    }
  }
  for (let i = 0; i < p; i++) for (let j = 0; j < i; j++) matrix[j * p + i] = matrix[i * p + j]!;
  return { matrix, vector };
}

function dot(a: Float64Array, b: Float64Array, length: number): number {
  let sum = 0;
  for (let row = 0; row < length; row++) sum += a[row]! * b[row]!;
  return sum;
}

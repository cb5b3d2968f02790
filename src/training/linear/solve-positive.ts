import { Pace } from '../../table/pace.js';

/**
 * Share of a column's own sum of squares that must remain after the columns before it are taken out (1 − R²); with
 * less it counts as a combination of them.
 */
const TOLERANCE = 1e-7;

/**
 * Solves A x = b for a symmetric positive semi-definite A (p × p, row-major) by Cholesky. A column that depends on those
 * before it gets 0, as R's `lm` drops aliased terms, so that constant and collinear columns never fail. O(p³).
 */
export async function solvePositive(
  matrix: Float64Array,
  vector: Float64Array,
  pace = new Pace(),
): Promise<Float64Array> {
  const p = vector.length;
  const L = new Float64Array(p * p);
  for (let j = 0; j < p; j++) {
    let pivot = matrix[j * p + j]!;
    for (let k = 0; k < j; k++) pivot -= L[j * p + k]! ** 2;
    if (!(pivot > TOLERANCE * matrix[j * p + j]!)) continue;
    const root = Math.sqrt(pivot);
    L[j * p + j] = root;
    for (let i = j + 1; i < p; i++) {
      let sum = matrix[i * p + j]!;
      for (let k = 0; k < j; k++) sum -= L[i * p + k]! * L[j * p + k]!;
      L[i * p + j] = sum / root;
    }
    await pace.after((p - j) * j);
  }
  return backward(L, forward(L, vector));
}

function forward(L: Float64Array, vector: Float64Array): Float64Array {
  const p = vector.length;
  const z = new Float64Array(p);
  for (let i = 0; i < p; i++) {
    if (L[i * p + i] === 0) continue;
    let sum = vector[i]!;
    for (let k = 0; k < i; k++) sum -= L[i * p + k]! * z[k]!;
    z[i] = sum / L[i * p + i]!;
  }
  return z;
}

function backward(L: Float64Array, z: Float64Array): Float64Array {
  const p = z.length;
  const x = new Float64Array(p);
  for (let i = p - 1; i >= 0; i--) {
    if (L[i * p + i] === 0) continue;
    let sum = z[i]!;
    for (let k = i + 1; k < p; k++) sum -= L[k * p + i]! * x[k]!;
    x[i] = sum / L[i * p + i]!;
  }
  return x;
}

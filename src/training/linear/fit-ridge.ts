import { Pace } from '../../table/pace.js';
import type { FloatMatrix } from '../float-matrix.js';
import { gramMatrix } from './gram-matrix.js';
import { toLinearModel, type LinearModel } from './linear-model.js';
import { solvePositive } from './solve-positive.js';

/**
 * Least squares with a penalty of `l2` × Σ coefficient² and a free intercept: scikit-learn's `Ridge(alpha=l2)`, or
 * `LinearRegression` at 0. Normal equations in float64; X should be standardized. `signal` stops it between blocks of rows.
 */
export async function fitRidge(options: {
  readonly X: FloatMatrix;
  readonly y: Float64Array;
  readonly l2: number;
  readonly signal?: AbortSignal;
}): Promise<LinearModel> {
  const { X, y, l2 } = options;
  // Products with a centred target keep their digits when its mean is far from 0.
  const mean = y.reduce((sum, value) => sum + value / y.length, 0);
  const { matrix, vector } = await gramMatrix(
    X,
    undefined,
    y.map((value) => value - mean),
    options.signal,
  );
  const p = vector.length;
  for (let j = 1; j < p; j++) matrix[j * p + j]! += l2;
  const solution = await solvePositive(matrix, vector, new Pace(options.signal));
  solution[0]! += mean;
  return toLinearModel(solution);
}

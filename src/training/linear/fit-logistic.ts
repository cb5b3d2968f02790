import { Pace } from '../../table/pace.js';
import type { FloatMatrix } from '../float-matrix.js';
import { gramMatrix } from './gram-matrix.js';
import { toLinearModel, type LinearModel } from './linear-model.js';
import { solvePositive } from './solve-positive.js';

/** Without a penalty and with separable classes the weights grow without end; this many steps are then enough. */
const MAX_ITERATIONS = 50;
/** Newton's method stops when a step promises less than this share of the loss. */
const TOLERANCE = 1e-12;

export interface LogisticOptions {
  readonly X: FloatMatrix;
  /** 0 or 1. */
  readonly y: Float64Array;
  readonly l2: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { iteration: number; of: number; loss: number }) => void;
}

/**
 * Logistic regression: minimises Σ log-loss + l2 / 2 × Σ coefficient² with a free intercept, which is scikit-learn's
 * `LogisticRegression(C=1/l2)`, by Newton's method with halved steps (Hastie et al., Elements of Statistical Learning, 4.4.1).
 */
export async function fitLogistic({ X, y, l2, signal, onProgress }: LogisticOptions): Promise<LinearModel> {
  const p = X.columns.length + 1;
  const pace = new Pace(signal);
  let beta = startFromRate(y, p);
  let scores = await linearScores(beta, X, pace);
  let loss = await penalizedLoss(scores, y, beta, l2, pace);
  for (let iteration = 1; iteration <= MAX_ITERATIONS; iteration++) {
    const { weights, residuals } = await derivatives(scores, y, pace);
    const { matrix, vector } = await gramMatrix(X, weights, residuals, signal);
    for (let j = 1; j < p; j++) {
      matrix[j * p + j]! += l2;
      vector[j]! -= l2 * beta[j]!;
    }
    const step = await solvePositive(matrix, vector, pace);
    const promised = step.reduce((sum, value, j) => sum + value * vector[j]!, 0);
    onProgress?.({ iteration, of: MAX_ITERATIONS, loss: loss / y.length });
    if (promised <= TOLERANCE * loss) break;
    const taken = await halveUntilBetter(beta, step, loss, async (candidate) => {
      const next = await linearScores(candidate, X, pace);
      return { scores: next, loss: await penalizedLoss(next, y, candidate, l2, pace) };
    });
    if (taken === undefined) break;
    ({ beta, scores, loss } = taken);
  }
  return toLinearModel(beta);
}

/** 1 / (1 + e^−x), without overflow. */
export function sigmoid(score: number): number {
  if (score >= 0) return 1 / (1 + Math.exp(-score));
  const power = Math.exp(score);
  return power / (1 + power);
}

interface Point {
  readonly beta: Float64Array;
  readonly scores: Float64Array;
  readonly loss: number;
}

function startFromRate(y: Float64Array, p: number): Float64Array {
  const rate = y.reduce((sum, value) => sum + value, 0) / y.length;
  const beta = new Float64Array(p);
  if (rate > 0 && rate < 1) beta[0] = Math.log(rate / (1 - rate));
  return beta;
}

async function halveUntilBetter(
  beta: Float64Array,
  step: Float64Array,
  loss: number,
  evaluate: (beta: Float64Array) => Promise<Omit<Point, 'beta'>>,
): Promise<Point | undefined> {
  for (let share = 1; share > 1e-6; share /= 2) {
    const candidate = beta.map((value, j) => value + share * step[j]!);
    const point = await evaluate(candidate);
    if (point.loss < loss) return { beta: candidate, ...point };
  }
  return undefined;
}

/** p (1 − p), the weights of Newton's step, and y − p, the negative gradient, of each row. */
async function derivatives(
  scores: Float64Array,
  y: Float64Array,
  pace: Pace,
): Promise<{ weights: Float64Array; residuals: Float64Array }> {
  const weights = new Float64Array(y.length);
  const residuals = new Float64Array(y.length);
  const derive = (from: number, to: number): void => {
    for (let row = from; row < to; row++) {
      const probability = sigmoid(scores[row]!);
      weights[row] = probability * (1 - probability);
      residuals[row] = y[row]! - probability;
    }
  };
  await pace.overRows(y.length, derive, 4);
  return { weights, residuals };
}

async function linearScores(beta: Float64Array, X: FloatMatrix, pace: Pace): Promise<Float64Array> {
  const scores = new Float64Array(X.rows).fill(beta[0]!);
  for (const [index, column] of X.columns.entries()) {
    const coefficient = beta[index + 1]!;
    for (let row = 0; row < X.rows; row++) scores[row]! += coefficient * column[row]!;
    await pace.after(X.rows);
  }
  return scores;
}

async function penalizedLoss(
  scores: Float64Array,
  y: Float64Array,
  beta: Float64Array,
  l2: number,
  pace: Pace,
): Promise<number> {
  let loss = 0;
  const addRows = (from: number, to: number): void => {
    for (let row = from; row < to; row++) {
      const margin = y[row] === 1 ? scores[row]! : -scores[row]!;
      // log(1 + e^−margin), without overflow.
      loss += Math.max(0, -margin) + Math.log1p(Math.exp(-Math.abs(margin)));
    }
  };
  await pace.overRows(y.length, addRows, 8);
  for (let j = 1; j < beta.length; j++) loss += (l2 / 2) * beta[j]! ** 2;
  return loss;
}

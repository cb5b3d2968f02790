import { Pace } from '../../table/pace.js';
import type { NumberFeature } from './leak-report.js';

/** Work of the normal equations, rows × columns², above which rows are sampled. About half a second. */
const MAX_WORK = 5e8;
/** Fewer rows for each column fit anything. */
const MIN_ROWS_A_COLUMN = 5;

export interface LinearFit {
  /** With the columns below; length n. */
  readonly predictions: Float64Array;
  readonly columns: readonly string[];
}

/**
 * Least squares of the target on the features, fitted on `fitRows`; then refitted on the fewest of the features with
 * the largest standardized coefficients that still satisfy `isEnough`. undefined when even all of them are not; 'too few rows'
 * when they are fewer than five times the columns. Missing values count as the column's mean.
 */
export async function fitLinearIdentity(
  target: Float64Array,
  features: readonly NumberFeature[],
  fitRows: Int32Array,
  isEnough: (predictions: Float64Array) => Promise<boolean>,
  pace = new Pace(),
): Promise<LinearFit | 'too few rows' | undefined> {
  const columns: StandardColumn[] = [];
  for (const { name, values } of features) {
    const column = await standardize(name, values, fitRows, pace);
    if (column.scale > 0) columns.push(column);
  }
  if (columns.length === 0) return undefined;
  if (fitRows.length < MIN_ROWS_A_COLUMN * columns.length) return 'too few rows';
  const stride = Math.max(1, Math.floor((fitRows.length * columns.length ** 2) / MAX_WORK));
  const rows = fitRows.filter((_row, index) => index % stride === 0);
  const all = await solve(target, columns, rows, pace);
  if (!(await isEnough(all.predictions))) return undefined;
  const strongest = columns
    .map((column, index) => ({ column, weight: Math.abs(all.coefficients[index]!) }))
    .sort((a, b) => b.weight - a.weight)
    .map(({ column }) => column);
  // More columns never fit worse, but for noise: the fewest that are enough are found by halving.
  let fit: LinearFit = { predictions: all.predictions, columns: strongest.map(({ name }) => name) };
  let tooFew = 0;
  while (fit.columns.length - tooFew > 1) {
    const chosen = strongest.slice(0, Math.floor((tooFew + fit.columns.length) / 2));
    const { predictions } = await solve(target, chosen, rows, pace);
    if (await isEnough(predictions)) fit = { predictions, columns: chosen.map(({ name }) => name) };
    else tooFew = chosen.length;
  }
  return fit;
}

interface StandardColumn {
  readonly name: string;
  readonly values: Float64Array;
  readonly mean: number;
  readonly scale: number;
}

async function standardize(name: string, values: Float64Array, rows: Int32Array, pace: Pace): Promise<StandardColumn> {
  let present = 0;
  let sum = 0;
  const addValues = (from: number, to: number): void => {
    for (let index = from; index < to; index++) {
      const value = values[rows[index]!]!;
      if (Number.isNaN(value)) continue;
      present++;
      sum += value;
    }
  };
  await pace.overRows(rows.length, addValues);
  const mean = sum / present;
  let squares = 0;
  const addSquares = (from: number, to: number): void => {
    for (let index = from; index < to; index++) {
      const value = values[rows[index]!]!;
      if (!Number.isNaN(value)) squares += (value - mean) ** 2;
    }
  };
  await pace.overRows(rows.length, addSquares);
  return { name, values, mean, scale: Math.sqrt(squares / present) };
}

async function solve(
  target: Float64Array,
  columns: readonly StandardColumn[],
  rows: Int32Array,
  pace: Pace,
): Promise<{ coefficients: Float64Array; predictions: Float64Array }> {
  const k = columns.length;
  const gram = new Float64Array(k * k);
  const moment = new Float64Array(k);
  const x = new Float64Array(k);
  const mean = rows.reduce((sum, row) => sum + target[row]!, 0) / rows.length;
  const fill = (row: number): void => {
    columns.forEach(({ values, mean: center, scale }, i) => {
      const value = values[row]!;
      x[i] = Number.isNaN(value) ? 0 : (value - center) / scale;
    });
  };
  const addRows = (from: number, to: number): void => {
    for (let index = from; index < to; index++) {
      const row = rows[index]!;
      fill(row);
      for (let i = 0; i < k; i++) {
        moment[i]! += x[i]! * (target[row]! - mean);
        for (let j = 0; j <= i; j++) gram[i * k + j]! += x[i]! * x[j]!;
      }
    }
  };
  await pace.overRows(rows.length, addRows, (k * (k + 8)) / 2);
  // A trace of ridge lets equal columns share their coefficient instead of dividing by zero.
  for (let i = 0; i < k; i++) gram[i * k + i]! += 1e-9 * rows.length;
  const coefficients = await solveCholesky(gram, moment, k, pace);
  const predictions = new Float64Array(target.length);
  const predictRows = (from: number, to: number): void => {
    for (let row = from; row < to; row++) {
      fill(row);
      let sum = mean;
      for (let i = 0; i < k; i++) sum += coefficients[i]! * x[i]!;
      predictions[row] = sum;
    }
  };
  await pace.overRows(target.length, predictRows, 4 * k);
  return { coefficients, predictions };
}

/** Solves A·w = b for a positive definite A (k × k, lower half used and overwritten). O(k³). */
async function solveCholesky(a: Float64Array, b: Float64Array, k: number, pace: Pace): Promise<Float64Array> {
  for (let i = 0; i < k; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * k + j]!;
      for (let m = 0; m < j; m++) sum -= a[i * k + m]! * a[j * k + m]!;
      a[i * k + j] = i === j ? Math.sqrt(Math.max(sum, Number.EPSILON)) : sum / a[j * k + j]!;
    }
    await pace.after((i * i) / 2);
  }
  const w = Float64Array.from(b);
  for (let i = 0; i < k; i++) {
    for (let m = 0; m < i; m++) w[i]! -= a[i * k + m]! * w[m]!;
    w[i]! /= a[i * k + i]!;
  }
  for (let i = k - 1; i >= 0; i--) {
    for (let m = i + 1; m < k; m++) w[i]! -= a[m * k + i]! * w[m]!;
    w[i]! /= a[i * k + i]!;
  }
  return w;
}

import { Pace } from '../../table/pace.js';
import type { FloatMatrix } from '../float-matrix.js';

/** On float32 columns; weights and sums are float64, so that large weights that cancel keep their digits. */
export interface LinearModel {
  readonly intercept: number;
  /** One per column. */
  readonly coefficients: Float64Array;
}

/** @param solution the intercept, then the coefficients */
export function toLinearModel(solution: Float64Array): LinearModel {
  return { intercept: solution[0]!, coefficients: solution.slice(1) };
}

/** intercept + X · coefficients, summed in float64 and rounded to float32; length rows. */
export function predictLinear(model: LinearModel, X: FloatMatrix): Float64Array {
  const sums = new Float64Array(X.rows).fill(model.intercept);
  X.columns.forEach((column, index) => {
    const coefficient = model.coefficients[index]!;
    if (coefficient === 0) return;
    for (let row = 0; row < X.rows; row++) sums[row]! += coefficient * column[row]!;
  });
  return sums.map(Math.fround);
}

/** |coefficient| × standard deviation of its column: the effect of a typical move, length p. */
export async function linearEffects(model: LinearModel, X: FloatMatrix, pace = new Pace()): Promise<Float64Array> {
  const effects = new Float64Array(X.columns.length);
  for (const [index, column] of X.columns.entries()) {
    let mean = 0;
    let square = 0;
    const addRows = (from: number, to: number): void => {
      for (let row = from; row < to; row++) {
        mean += column[row]! / X.rows;
        square += column[row]! ** 2 / X.rows;
      }
    };
    await pace.overRows(X.rows, addRows, 2);
    effects[index] = Math.abs(model.coefficients[index]!) * Math.sqrt(Math.max(0, square - mean ** 2));
  }
  return effects;
}

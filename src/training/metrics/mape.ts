/** Mean absolute error as a share of the truth (0.1 = 10 %); NaN for no rows or when a truth is 0. */
export function mape(y: Float64Array, predictions: Float64Array): number {
  let sum = 0;
  for (let row = 0; row < y.length; row++) {
    if (y[row] === 0) return NaN;
    sum += Math.abs((y[row]! - predictions[row]!) / y[row]!);
  }
  return sum / y.length;
}

/** Root mean squared error, in the target's unit; NaN for no rows. */
export function rmse(y: Float64Array, predictions: Float64Array): number {
  let sum = 0;
  for (let row = 0; row < y.length; row++) sum += (y[row]! - predictions[row]!) ** 2;
  return Math.sqrt(sum / y.length);
}

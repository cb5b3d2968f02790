/** Mean absolute error, in the target's unit; NaN for no rows. */
export function mae(y: Float64Array, predictions: Float64Array): number {
  let sum = 0;
  for (let row = 0; row < y.length; row++) sum += Math.abs(y[row]! - predictions[row]!);
  return sum / y.length;
}

/** Share of the truth's variance that is explained: 1 is perfect, 0 is its mean, NaN for a constant truth. */
export function r2(y: Float64Array, predictions: Float64Array): number {
  let mean = 0;
  for (const value of y) mean += value / y.length;
  let residual = 0;
  let total = 0;
  for (let row = 0; row < y.length; row++) {
    residual += (y[row]! - predictions[row]!) ** 2;
    total += (y[row]! - mean) ** 2;
  }
  return total === 0 ? NaN : 1 - residual / total;
}

/** Mean squared distance of probabilities of 1 from 0/1 truths: 0 is perfect, 0.25 is always saying one half. */
export function brier(y: Float64Array, probabilities: Float64Array): number {
  let sum = 0;
  for (let row = 0; row < y.length; row++) sum += (y[row]! - probabilities[row]!) ** 2;
  return sum / y.length;
}

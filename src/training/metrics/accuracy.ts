/** Share of 0/1 truths that `probability > 0.5` gets right. */
export function accuracy(y: Float64Array, probabilities: Float64Array): number {
  let right = 0;
  for (let row = 0; row < y.length; row++) if (probabilities[row]! > 0.5 === (y[row] === 1)) right++;
  return right / y.length;
}

/** Mean negative log-likelihood of 0/1 truths under probabilities of 1, which are kept 2^-52 away from 0 and 1 (as scikit-learn). */
export function logLoss(y: Float64Array, probabilities: Float64Array): number {
  let sum = 0;
  for (let row = 0; row < y.length; row++) {
    const p = Math.min(Math.max(probabilities[row]!, Number.EPSILON), 1 - Number.EPSILON);
    sum -= y[row] === 1 ? Math.log(p) : Math.log1p(-p);
  }
  return sum / y.length;
}

import type { BoostingModel, FloatMatrix, Tree } from './boosting-model.js';

/**
 * Predictions, length `X.rows`: the value, or for `binary` the probability of 1. Leaves are summed in tree order and
 * the base score added last, each step rounded to float32, as onnxruntime's TreeEnsemble does for one target.
 * O(rows × trees × depth).
 */
export function predictGradientBoosting(model: BoostingModel, X: FloatMatrix): Float64Array {
  const scores = new Float32Array(X.rows);
  for (const tree of model.trees) addLeaves(tree, X, scores);
  const base = Math.fround(model.baseScore);
  return Float64Array.from(scores, (sum) => {
    const score = Math.fround(sum + base);
    return model.objective === 'binary' ? Math.fround(1 / (1 + Math.exp(-score))) : score;
  });
}

/** Adds the leaf values of one tree to `scores`, in the precision of that array. */
export function addLeaves(
  { feature, threshold, missingLeft, left, right, value }: Tree,
  X: FloatMatrix,
  scores: Float32Array | Float64Array,
  from = 0,
  to = X.rows,
): void {
  for (let row = from; row < to; row++) {
    let node = 0;
    while (feature[node]! >= 0) {
      const x = X.columns[feature[node]!]![row]!;
      const isLeft = x <= threshold[node]! || (x !== x && missingLeft[node]! === 1);
      node = isLeft ? left[node]! : right[node]!;
    }
    scores[row]! += value[node]!;
  }
}

import { expect, test } from 'vitest';
import type { BoostingModel, Tree } from '../../../src/training/gradient-boosting/boosting-model.js';
import { predictGradientBoosting } from '../../../src/training/gradient-boosting/predict-gradient-boosting.js';

/** x0 <= threshold ? low : high */
function step(threshold: number, low: number, high: number, missingLeft = 0): Tree {
  return {
    feature: Int32Array.of(0, -1, -1),
    threshold: Float32Array.of(threshold, 0, 0),
    missingLeft: Uint8Array.of(missingLeft, 0, 0),
    left: Int32Array.of(1, 0, 0),
    right: Int32Array.of(2, 0, 0),
    value: Float32Array.of(0, low, high),
  };
}

function model(objective: BoostingModel['objective'], baseScore: number, ...trees: Tree[]): BoostingModel {
  return { objective, baseScore, trees, nFeatures: 1, importance: Float64Array.of(0) };
}

const X = (...values: number[]) => ({ rows: values.length, columns: [Float32Array.from(values)] });

test('goes left at the threshold and to the stored side when missing', () => {
  const trees = [step(1, 10, 20, 1), step(2, 1, 2, 0)];
  const predicted = predictGradientBoosting(model('regression', 100, ...trees), X(1, 1.5, 3, NaN, -Infinity, Infinity));
  expect([...predicted]).toEqual([111, 121, 122, 112, 111, 122]);
});

test('rounds every sum to float32 and adds the base score last', () => {
  // 2^24 + 1 is not a float32: the ones are lost one by one, the base score is not.
  const trees = [step(0, 2 ** 24, 0), step(0, 1, 0), step(0, 1, 0)];
  expect([...predictGradientBoosting(model('regression', 2, ...trees), X(0))]).toEqual([2 ** 24 + 2]);
});

test('gives the probability of 1 for binary', () => {
  const predicted = predictGradientBoosting(model('binary', 0, step(0, Math.log(3), -Math.log(3))), X(0, 1));
  expect(predicted[0]).toBeCloseTo(0.75, 6);
  expect(predicted[1]).toBeCloseTo(0.25, 6);
  expect([...predicted]).toEqual([...predicted].map(Math.fround));
});

test('gives an empty answer for no rows', () => {
  expect(predictGradientBoosting(model('regression', 1, step(0, 1, 2)), X())).toEqual(new Float64Array(0));
});

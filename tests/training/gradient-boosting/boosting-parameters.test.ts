import { expect, test } from 'vitest';
import {
  boostingDefaults,
  resolveBoostingParameters,
} from '../../../src/training/gradient-boosting/boosting-parameters.js';

test('fills in what LightGBM takes when nothing is said', () => {
  expect(resolveBoostingParameters({ maxLeaves: 7, l2: undefined })).toEqual({ ...boostingDefaults, maxLeaves: 7 });
  expect(boostingDefaults).toEqual({
    nEstimators: 100,
    learningRate: 0.1,
    maxLeaves: 31,
    maxDepth: -1,
    minSamplesLeaf: 20,
    minSumHessian: 0.001,
    l2: 0,
    maxBins: 255,
  });
});

test.each([
  ['max_leaves', 'maxLeaves'],
  ['nEstimator', 'nEstimators'],
  ['lambda_l2', 'l2'],
  ['__proto__', 'maxBins'],
])('an unknown parameter %s is an error that names a known one', (name) => {
  expect(() => resolveBoostingParameters(JSON.parse(`{"${name}": 1}`) as Record<string, unknown>)).toThrow(
    expect.objectContaining({ code: 'TRAIN_PARAMETER_UNKNOWN', terminal: true }),
  );
});

test('the nearest name is in the next step', () => {
  expect(() => resolveBoostingParameters({ max_leaves: 31 })).toThrow(
    expect.objectContaining({ next: 'Write maxLeaves, or leave it out.' }),
  );
});

test.each([
  [{ maxBins: 256 }, 'maxBins is 256, expected a whole number from 2 to 255'],
  [{ maxLeaves: 1 }, 'maxLeaves is 1, expected a whole number from 2 to 65536'],
  [{ nEstimators: 10.5 }, 'nEstimators is 10.5, expected a whole number from 1 to 100000'],
  [{ learningRate: 0 }, 'learningRate is 0, expected a number above 0 and at most 1'],
  [{ l2: -1 }, 'l2 is -1, expected a number of 0 or more'],
  [{ l2: NaN }, 'expected a number of 0 or more'],
  [{ minSamplesLeaf: '20' }, 'minSamplesLeaf is "20", expected a whole number from 1'],
])('refuses %j', (given, message) => {
  expect(() => resolveBoostingParameters(given)).toThrow(message);
});

import { describe, expect, it } from 'vitest';
import type { Feature } from '../../../src/training/features.js';
import { fitCategories } from '../../../src/training/preprocessing/categories.js';
import { fitImpute, impute } from '../../../src/training/preprocessing/impute.js';
import { oneHotEncode } from '../../../src/training/preprocessing/one-hot-encode.js';
import { ordinalEncode } from '../../../src/training/preprocessing/ordinal-encode.js';
import {
  columnFeatures,
  fitLinearPreprocessing,
  fitTreePreprocessing,
  transformFeatures,
} from '../../../src/training/preprocessing/preprocessing.js';
import { fitStandardize, standardize } from '../../../src/training/preprocessing/standardize.js';

describe('impute', () => {
  it('fills with the median of the values seen', async () => {
    expect(await fitImpute(Float32Array.of(9, NaN, 1, 5))).toEqual({ fill: 5 });
    expect(await fitImpute(Float32Array.of(4, 1, NaN, 2, 3))).toEqual({ fill: 2.5 });
    expect([...impute(Float32Array.of(1, NaN), { fill: 7 })]).toEqual([1, 7]);
  });

  it('fills with 0 when every value was missing', async () => {
    expect(await fitImpute(Float32Array.of(NaN, NaN))).toEqual({ fill: 0 });
  });
});

describe('standardize', () => {
  it('brings mean to 0 and the population deviation to 1', async () => {
    const parameters = await fitStandardize(Float32Array.of(2, 4, 4, 4, 5, 5, 7, 9));
    expect(parameters).toEqual({ offset: 5, scale: 0.5 });
    expect([...standardize(Float32Array.of(9, 3), parameters)]).toEqual([2, -1]);
  });

  it('leaves a constant column at 0, also where the mean would round', async () => {
    const values = Float32Array.from({ length: 7 }, () => 0.1);
    const parameters = await fitStandardize(values);
    expect(parameters).toEqual({ offset: Math.fround(0.1), scale: 1 });
    expect([...standardize(values, parameters)]).toEqual(Array(7).fill(0));
  });

  it('ignores a column whose spread float32 cannot invert', async () => {
    const parameters = await fitStandardize(Float32Array.of(0, 1e-42));
    expect(parameters.scale).toBe(0);
    expect([...standardize(Float32Array.of(0, 5, -1e30), parameters)].map(Math.abs)).toEqual([0, 0, 0]);
  });

  it('cuts scores off at 2^50, so that no prediction becomes infinite', async () => {
    const parameters = await fitStandardize(Float32Array.of(0, 1e-30));
    expect([...standardize(Float32Array.of(1e30, -1e30), parameters)]).toEqual([2 ** 50, -(2 ** 50)]);
  });
});

describe('categories', () => {
  it('come in code unit order without the missing value', async () => {
    expect(await fitCategories(['b', null, 'a', 'B', 'b'], 10)).toEqual(['B', 'a', 'b']);
  });

  it('keep the most frequent of too many', async () => {
    expect(await fitCategories(['c', 'c', 'b', 'a', 'b', 'd'], 2)).toEqual(['b', 'c']);
    expect(await fitCategories(['d', 'c', 'b', 'a'], 2)).toEqual(['a', 'b']);
  });

  it('that are missing or unknown are 0 everywhere in one-hot and NaN as a position', async () => {
    const values = ['a', 'b', null, 'never seen', '__proto__'];
    expect((await oneHotEncode(values, ['a', 'b'])).map((column) => [...column])).toEqual([
      [1, 0, 0, 0, 0],
      [0, 1, 0, 0, 0],
    ]);
    expect([...(await ordinalEncode(values, ['a', 'b']))]).toEqual([0, 1, NaN, NaN, NaN]);
  });
});

describe('preprocessing', () => {
  const features: Feature[] = [
    { name: 'c', kind: 'text', values: ['x', null, 'y'] },
    { name: 'n', kind: 'number', values: Float32Array.of(1, NaN, 3) },
  ];

  it('for linear models puts numbers first and leaves nothing missing', async () => {
    const preprocessing = await fitLinearPreprocessing(features, 10);
    const X = await transformFeatures(features, preprocessing);
    expect(columnFeatures(preprocessing)).toEqual(['n', 'c', 'c']);
    expect(X.columns.map((column) => [...column].map((value) => Number(value.toFixed(4))))).toEqual([
      [-1.2247, 0, 1.2247],
      [1, 0, 0],
      [0, 0, 1],
    ]);
  });

  it('for trees keeps order and missing values', async () => {
    const preprocessing = await fitTreePreprocessing(features, 10);
    const X = await transformFeatures(features, preprocessing);
    expect(columnFeatures(preprocessing)).toEqual(['c', 'n']);
    expect(X.columns.map((column) => [...column])).toEqual([
      [0, NaN, 1],
      [1, NaN, 3],
    ]);
  });

  it('is plain JSON that transforms as before', async () => {
    const preprocessing = await fitLinearPreprocessing(features, 10);
    const read = JSON.parse(JSON.stringify(preprocessing)) as typeof preprocessing;
    expect(await transformFeatures(features, read)).toEqual(await transformFeatures(features, preprocessing));
  });
});

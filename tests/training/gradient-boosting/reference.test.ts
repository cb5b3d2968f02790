import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fitGradientBoosting } from '../../../src/training/gradient-boosting/fit-gradient-boosting.js';
import { predictGradientBoosting } from '../../../src/training/gradient-boosting/predict-gradient-boosting.js';
import { readBikeHours } from './bike-hours.js';

const folder = new URL('../../reference/boosting/', import.meta.url);
const reference = JSON.parse(readFileSync(new URL('lightgbm.json', folder), 'utf8')) as {
  readonly bike: Record<string, { features: string[]; trainRows: number; testRows: number; lightgbmRmse: number }>;
  readonly busyHours: { features: string[]; above: number; lightgbm: { rocAuc: number; logLoss: number } };
  readonly breastCancer: { trainRows: number; testRows: number; lightgbm: { rocAuc: number; logLoss: number } };
};
// Same algorithm, but LightGBM rounds histograms to float, counts rows by hessian and draws ties otherwise.
const ONE_PERCENT = 0.01;

describe('LightGBM with the same parameters', () => {
  test.each(Object.keys(reference.bike))('is matched within 1 % RMSE on bike hours: %s', async (name) => {
    const { features, trainRows, testRows, lightgbmRmse } = reference.bike[name]!;
    const { train, test: held } = readBikeHours(features);
    expect([train.X.rows, held.X.rows]).toEqual([trainRows, testRows]);
    const model = await fitGradientBoosting({ ...train, objective: 'regression', seed: 1, threads: 2 });
    const rmse = Math.sqrt(
      mean(predictGradientBoosting(model, held.X).map((value, row) => (value - held.y[row]!) ** 2)),
    );
    expect(Math.abs(rmse / lightgbmRmse - 1)).toBeLessThan(ONE_PERCENT);
  });

  test('is matched within 1 % log loss and ROC AUC on busy hours', async () => {
    const { features, above, lightgbm } = reference.busyHours;
    const { train, test: held } = readBikeHours(features);
    const busy = (rides: Float64Array): Float64Array => rides.map((value) => Number(value > above));
    const model = await fitGradientBoosting({ X: train.X, y: busy(train.y), objective: 'binary', seed: 1, threads: 2 });
    const probability = predictGradientBoosting(model, held.X);
    expect(Math.abs(logLoss(busy(held.y), probability) / lightgbm.logLoss - 1)).toBeLessThan(ONE_PERCENT);
    expect(Math.abs(rocAuc(busy(held.y), probability) / lightgbm.rocAuc - 1)).toBeLessThan(ONE_PERCENT);
  });

  test('is matched within 1 % ROC AUC on the 380 rows of breast cancer', async () => {
    const [, ...lines] = readFileSync(new URL('breast-cancer.csv', folder), 'utf8').trim().split('\n');
    const rows = lines.map((line) => line.split(',').map(Number));
    const part = (isTest: boolean) => {
      const own = rows.filter((_, index) => (index % 3 === 2) === isTest);
      const columns = Array.from({ length: 30 }, (_, feature) => Float32Array.from(own, (row) => row[feature]!));
      return { X: { rows: own.length, columns }, y: Float64Array.from(own, (row) => row[30]!) };
    };
    const model = await fitGradientBoosting({ ...part(false), objective: 'binary', seed: 1 });
    const held = part(true);
    const auc = rocAuc(held.y, predictGradientBoosting(model, held.X));
    expect(Math.abs(auc / reference.breastCancer.lightgbm.rocAuc - 1)).toBeLessThan(ONE_PERCENT);
  });
});

function mean(values: Float64Array): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function logLoss(y: Float64Array, probability: Float64Array): number {
  return mean(probability.map((p, row) => -Math.log(y[row] === 1 ? p : 1 - p)));
}

/** The share of (1, 0) pairs in the right order, ties half. */
function rocAuc(y: Float64Array, score: Float64Array): number {
  const ones = score.filter((_, row) => y[row] === 1);
  const zeros = score.filter((_, row) => y[row] === 0);
  let right = 0;
  for (const one of ones) for (const zero of zeros) right += one > zero ? 1 : one === zero ? 0.5 : 0;
  return right / (ones.length * zeros.length);
}

import { describe, expect, test } from 'vitest';
import type {
  BoostingModel,
  BoostingProgress,
  FitBoostingOptions,
} from '../../../src/training/gradient-boosting/boosting-model.js';
import { fitGradientBoosting } from '../../../src/training/gradient-boosting/fit-gradient-boosting.js';
import { predictGradientBoosting } from '../../../src/training/gradient-boosting/predict-gradient-boosting.js';
import { serializeBoosting } from '../../../src/training/gradient-boosting/serialize-boosting.js';
import { syntheticRows } from './synthetic-rows.js';

const { X, y, label } = syntheticRows(6000, 1);
const regression: FitBoostingOptions = { X, y, objective: 'regression', seed: 5, parameters: { nEstimators: 25 } };
const binary: FitBoostingOptions = { ...regression, y: label, objective: 'binary' };

describe.each([
  ['regression', regression],
  ['binary', binary],
] as const)('%s', (_, options) => {
  test('1, 2 and 4 threads give the same bytes', async () => {
    const [one, two, four] = await Promise.all(
      [1, 2, 4].map((threads) => fitGradientBoosting({ ...options, threads })),
    );
    expect(one!.trees).toHaveLength(25);
    expect(serializeBoosting(two!)).toEqual(serializeBoosting(one!));
    expect(serializeBoosting(four!)).toEqual(serializeBoosting(one!));
  });

  test('the last loss reported is the loss of the predictions on the training rows', async () => {
    const seen: BoostingProgress[] = [];
    const model = await fitGradientBoosting({ ...options, onProgress: (progress) => seen.push(progress) });
    expect(seen.map(({ iteration }) => iteration)).toEqual(Array.from({ length: 25 }, (_, index) => index + 1));
    const losses = seen.map(({ loss }) => loss);
    expect(losses).toEqual([...losses].sort((a, b) => b - a));
    expect(losses.at(-1)).toBeCloseTo(lossOf(model, options), 6);
  });

  test('no leaf holds fewer rows than minSamplesLeaf', async () => {
    const model = await fitGradientBoosting({ ...options, parameters: { nEstimators: 5, minSamplesLeaf: 37 } });
    for (const tree of model.trees) {
      const rowsInLeaf = new Map<number, number>();
      for (let row = 0; row < X.rows; row++) {
        const leaf = leafOf(tree, row);
        rowsInLeaf.set(leaf, (rowsInLeaf.get(leaf) ?? 0) + 1);
      }
      expect(Math.min(...rowsInLeaf.values())).toBeGreaterThanOrEqual(37);
      expect(rowsInLeaf.size).toBe(tree.feature.filter((feature) => feature < 0).length);
    }
  });

  test('keeps to maxLeaves and maxDepth', async () => {
    const leaves = await fitGradientBoosting({ ...options, parameters: { nEstimators: 2, maxLeaves: 5 } });
    expect(leaves.trees.map((tree) => tree.feature.length)).toEqual([9, 9]);
    const depth = await fitGradientBoosting({ ...options, parameters: { nEstimators: 2, maxDepth: 2 } });
    expect(depth.trees.map((tree) => tree.feature.length)).toEqual([7, 7]);
  });
});

test('learns a step, and which side the missing values are on', async () => {
  const column = Float32Array.from({ length: 300 }, (_, row) => (row % 3 === 0 ? NaN : row % 3));
  const target = Float64Array.from({ length: 300 }, (_, row) => (row % 3 === 1 ? 10 : 40));
  const model = await fitGradientBoosting({
    X: { rows: 300, columns: [column] },
    y: target,
    objective: 'regression',
    seed: 0,
    parameters: { nEstimators: 1, learningRate: 1, maxLeaves: 2 },
  });
  expect(model.baseScore).toBe(30);
  expect(model.trees).toEqual([
    {
      feature: Int32Array.of(0, -1, -1),
      threshold: Float32Array.of(1.5, 0, 0),
      missingLeft: Uint8Array.of(0, 0, 0),
      left: Int32Array.of(1, 0, 0),
      right: Int32Array.of(2, 0, 0),
      value: Float32Array.of(0, -20, 10),
    },
  ]);
  expect([...model.importance]).toEqual([60_000]); // 100 × 20² + 200 × 10²
});

test('parts the missing values from all others when that is all there is to learn', async () => {
  const column = Float32Array.from({ length: 200 }, (_, row) => (row % 2 === 0 ? NaN : row % 8));
  const target = Float64Array.from({ length: 200 }, (_, row) => (row % 2 === 0 ? 1 : 3));
  const options = { X: { rows: 200, columns: [column] }, y: target, objective: 'regression', seed: 0 } as const;
  const model = await fitGradientBoosting({
    ...options,
    parameters: { nEstimators: 1, learningRate: 1, maxLeaves: 2 },
  });
  expect(model.trees[0]!.threshold[0]).toBe(Infinity);
  const probe = { rows: 3, columns: [Float32Array.of(NaN, 5, Infinity)] };
  expect([...predictGradientBoosting(model, probe)]).toEqual([1, 3, 3]);
});

test('sends missing values with the majority when training saw none', async () => {
  const column = Float32Array.from({ length: 100 }, (_, row) => (row < 30 ? 0 : 1));
  const target = Float64Array.from(column, (value) => value * 8);
  const options = { X: { rows: 100, columns: [column] }, y: target, objective: 'regression', seed: 0 } as const;
  const model = await fitGradientBoosting({ ...options, parameters: { nEstimators: 1, learningRate: 1 } });
  expect([...predictGradientBoosting(model, { rows: 1, columns: [Float32Array.of(NaN)] })]).toEqual([8]);
});

test('the root split is the best of all, found by trying every one', async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const { X: few, y: target } = syntheticRows(180, seed);
    const model = await fitGradientBoosting({
      X: few,
      y: target,
      objective: 'regression',
      seed,
      parameters: { nEstimators: 1, maxLeaves: 2 },
    });
    const best = bestGain(few.columns, target, 20);
    expect(
      model.importance.reduce((a, b) => a + b, 0),
      `seed ${seed}`,
    ).toBeCloseTo(best, 5);
  }
});

test('a target without variance gives one leaf and stops', async () => {
  const model = await fitGradientBoosting({ ...regression, y: new Float64Array(X.rows).fill(4) });
  expect(model.trees).toHaveLength(1);
  expect([...predictGradientBoosting(model, X)].every((value) => value === 4)).toBe(true);
});

test('a binary target of one class stays finite', async () => {
  const model = await fitGradientBoosting({ ...binary, y: new Float64Array(X.rows) });
  const probability = predictGradientBoosting(model, X);
  expect([...probability].every((value) => value >= 0 && value < 1e-6)).toBe(true);
});

test('features that never vary give one leaf', async () => {
  const model = await fitGradientBoosting({ ...regression, X: { rows: X.rows, columns: [X.columns[3]!] } });
  expect([...model.importance]).toEqual([0]);
  expect(model.trees[0]!.feature).toEqual(Int32Array.of(-1));
});

test('leaves timers of the main thread running', async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 5);
  await fitGradientBoosting({ ...regression, parameters: { nEstimators: 100 } });
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(5);
});

test('an abort ends it with its reason, threads included', async () => {
  const controller = new AbortController();
  const reason = new Error('cancelled');
  let iterations = 0;
  const fit = fitGradientBoosting({
    ...regression,
    threads: 2,
    parameters: { nEstimators: 100_000 },
    signal: controller.signal,
    onProgress: () => {
      if (++iterations === 3) controller.abort(reason);
    },
  });
  await expect(fit).rejects.toBe(reason);
  expect(
    process.getActiveResourcesInfo().filter((resource) => resource === 'MessagePort' || resource === 'Worker'),
  ).toEqual([]);
  await expect(fitGradientBoosting({ ...regression, signal: controller.signal })).rejects.toBe(reason);
});

test('an error of onProgress ends it with that error', async () => {
  const error = new Error('heartbeat');
  const onProgress = (): void => {
    throw error;
  };
  await expect(fitGradientBoosting({ ...regression, onProgress })).rejects.toBe(error);
});

test.each<[string, Partial<FitBoostingOptions>, string]>([
  ['no rows', { X: { rows: 0, columns: [new Float32Array(0)] }, y: new Float64Array(0) }, 'TRAIN_TOO_FEW_ROWS'],
  ['no features', { X: { rows: 6000, columns: [] } }, 'TRAIN_NO_FEATURES'],
  ['a short column', { X: { rows: 6000, columns: [new Float32Array(5)] } }, 'TRAIN_MATRIX_SHAPE'],
  ['a missing target', { y: y.with(17, NaN) }, 'TRAIN_TARGET_INVALID'],
  ['a target beyond float32', { y: y.with(17, 1e39) }, 'TRAIN_TARGET_INVALID'],
  ['a binary target of 2', { y: label.with(17, 2), objective: 'binary' }, 'TRAIN_TARGET_INVALID'],
  ['half a thread', { threads: 0.5 }, 'TRAIN_PARAMETER_INVALID'],
])('refuses %s', async (_, change, code) => {
  await expect(fitGradientBoosting({ ...regression, ...change })).rejects.toMatchObject({ code, terminal: true });
});

function lossOf(model: BoostingModel, options: FitBoostingOptions): number {
  const predicted = predictGradientBoosting(model, options.X);
  const losses = predicted.map((value, row) => {
    const target = options.y[row]!;
    if (options.objective === 'regression') return (value - target) ** 2;
    return -Math.log(target === 1 ? value : 1 - value);
  });
  return losses.reduce((a, b) => a + b, 0) / losses.length;
}

function leafOf({ feature, threshold, missingLeft, left, right }: BoostingModel['trees'][number], row: number): number {
  let node = 0;
  while (feature[node]! >= 0) {
    const value = X.columns[feature[node]!]![row]!;
    const isLeft = Number.isNaN(value) ? missingLeft[node] === 1 : value <= threshold[node]!;
    node = isLeft ? left[node]! : right[node]!;
  }
  return node;
}

/** Gain of the best split over every cut of every column, missing on either side. */
function bestGain(columns: readonly Float32Array[], target: Float64Array, minRows: number): number {
  const mean = target.reduce((a, b) => a + b, 0) / target.length;
  let best = 0;
  for (const column of columns) {
    for (const cut of new Set(column)) {
      if (Number.isNaN(cut)) continue;
      for (const missingLeft of [true, false]) {
        const left = [...target.keys()].filter(
          (row) => column[row]! <= cut || (missingLeft && Number.isNaN(column[row])),
        );
        const right = target.length - left.length;
        if (left.length < minRows || right < minRows) continue;
        const gradient = left.reduce((sum, row) => sum + target[row]! - mean, 0);
        best = Math.max(best, gradient ** 2 / left.length + gradient ** 2 / right);
      }
    }
  }
  return best;
}

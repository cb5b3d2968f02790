import { describe, expect, it } from 'vitest';
import { fitLogistic } from '../../../src/training/linear/fit-logistic.js';
import { fitRidge } from '../../../src/training/linear/fit-ridge.js';
import { predictLinear } from '../../../src/training/linear/linear-model.js';
import { readReference } from '../reference.js';

interface Reference {
  readonly columns: number[][];
  readonly y: number[];
  readonly fits: Record<string, { intercept: number; coefficients: number[] }>;
}

function matrix(columns: readonly (readonly number[])[]) {
  return { rows: columns[0]!.length, columns: columns.map((column) => Float32Array.from(column)) };
}

/** Both are float64; Newton's method stops when a step promises less than 1e-12 of the loss, about 1e-8 of a coefficient. */
function expectEqual(ours: ArrayLike<number>, theirs: readonly number[]): void {
  const largest = Math.max(...theirs.map(Math.abs));
  theirs.forEach((value, index) =>
    expect(Math.abs(ours[index]! - value) / largest, `coefficient ${index}`).toBeLessThan(1e-7),
  );
}

describe('fitRidge', () => {
  const { columns, y, fits } = readReference<Reference>('ridge.json');

  it.each(Object.keys(fits))('has the coefficients of scikit-learn at alpha %s', async (alpha) => {
    const model = await fitRidge({ X: matrix(columns), y: Float64Array.from(y), l2: Number(alpha) });
    expectEqual(model.coefficients, fits[alpha]!.coefficients);
    expectEqual([model.intercept], [fits[alpha]!.intercept]);
  });

  it.each([0, 1])('predicts the same with constant and repeated columns added, at l2 = %d', async (l2) => {
    const X = matrix([
      [1, 2, 3, 4, 6],
      [0, 0, 0, 0, 0],
      [1, 2, 3, 4, 6],
      [7, 7, 7, 7, 7],
    ]);
    const y = Float64Array.of(3, 5, 7, 9, 13);
    const model = await fitRidge({ X, y, l2 });
    expect(model.coefficients.every(Number.isFinite)).toBe(true);
    if (l2 === 0) expect([...predictLinear(model, X)]).toEqual([3, 5, 7, 9, 13]);
    else expect(predictLinear(model, X)[0]).toBeCloseTo(3.1, 1);
  });

  it('keeps the digits of a target far from 0', async () => {
    const model = await fitRidge({ X: matrix([[-1, 0, 1]]), y: Float64Array.of(1e9 - 1, 1e9, 1e9 + 1), l2: 0 });
    expect(model.coefficients[0]).toBeCloseTo(1, 6);
    expect(model.intercept).toBe(1e9);
  });

  it('gives the weights of one block of rows when rows need many', async () => {
    const rows = 10_000;
    const x = Float32Array.from({ length: rows }, (_, row) => Math.sin(row));
    const y = Float64Array.from(x, (value) => 2 * value + 1);
    const model = await fitRidge({ X: { rows, columns: [x] }, y, l2: 0 });
    expect(model.coefficients[0]).toBeCloseTo(2, 6);
    expect(model.intercept).toBeCloseTo(1, 6);
  });

  it('stops with the reason of an aborted signal', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(fitRidge({ X: matrix([[1]]), y: Float64Array.of(1), l2: 1, signal })).rejects.toThrow('enough');
  });
});

describe('fitLogistic', () => {
  const { columns, y, fits } = readReference<Reference>('logistic.json');

  it.each(Object.keys(fits))('has the coefficients of scikit-learn at C = %s', async (C) => {
    const model = await fitLogistic({ X: matrix(columns), y: Float64Array.from(y), l2: 1 / Number(C) });
    expectEqual(model.coefficients, fits[C]!.coefficients);
    expectEqual([model.intercept], [fits[C]!.intercept]);
  });

  it.each([0, 1])('ends with finite weights on separable classes and constant columns, at l2 = %d', async (l2) => {
    const X = matrix([
      [-2, -1, 1, 2],
      [5, 5, 5, 5],
      [-2, -1, 1, 2],
    ]);
    const model = await fitLogistic({ X, y: Float64Array.of(0, 0, 1, 1), l2 });
    expect(model.coefficients.every(Number.isFinite)).toBe(true);
    const scores = predictLinear(model, X);
    expect(scores[0]! < 0 && scores[3]! > 0).toBe(true);
  });

  it('reports a falling loss', async () => {
    const losses: number[] = [];
    const onProgress = ({ loss }: { loss: number }): void => void losses.push(loss);
    await fitLogistic({ X: matrix(columns), y: Float64Array.from(y), l2: 1, onProgress });
    expect(losses.length).toBeGreaterThan(2);
    expect(losses).toEqual([...losses].sort((a, b) => b - a));
  });
});

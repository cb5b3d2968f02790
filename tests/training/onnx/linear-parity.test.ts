import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Column } from '../../../src/table/column-table.js';
import { trainModel } from '../../../src/training/train-model.js';
import { expectParity } from '../parity.js';
import { literalTrainingSet, numbers, texts } from '../training-set.js';

const ROWS = 90;
/** What makes float32 sums differ: far from 0, tiny, huge, heavy-tailed, rare. */
const SHAPES: readonly ((noise: number) => number)[] = [
  (noise) => noise,
  (noise) => 1e6 + noise,
  (noise) => 1e-20 * noise,
  (noise) => 1e30 * noise,
  (noise) => Math.exp(6 * noise),
  (noise) => (noise > 2 ? 1 : 0),
];

const noise = fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: ROWS, maxLength: ROWS });
const feature = fc.record({ noise, shape: fc.nat(SHAPES.length - 1), missing: fc.nat(5) });
const words = fc.array(fc.constantFrom('a', 'b', 'ç', null), { minLength: ROWS, maxLength: ROWS });

it.each(['linear', 'logistic'] as const)(
  '%s stays within parity for any scale, near-copies, gaps and separable classes, with and without penalty',
  async (type) => {
    const cases = fc.record({
      features: fc.array(feature, { minLength: 1, maxLength: 4 }),
      words,
      l2: fc.constantFrom(0, 1),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ features, words, l2 }) => {
        const columns: Record<string, Column> = { word: texts(...words) };
        features.forEach(({ noise, shape, missing }, index) => {
          const values = noise.map(SHAPES[shape]!);
          columns[`x${index}`] = numbers(...values.map((value, row) => (row % 7 < missing ? NaN : value)));
          columns[`copy${index}`] = numbers(...values.map((value, row) => 3 * value + (row % 2) * 1e-5));
        });
        const signal = (row: number): number => features.reduce((sum, { noise }) => sum + noise[row]!, row % 3);
        const y = Array.from({ length: ROWS }, (_, row) =>
          type === 'logistic' ? (row === 0 || (row > 1 && signal(row) > 1) ? 1 : 0) : 1e5 + signal(row),
        );
        const split = y.map((_, row) => (row < 60 ? 'train' : 'test'));
        const set = literalTrainingSet({
          task: type === 'logistic' ? 'binary' : 'regression',
          target: 'y',
          features: Object.keys(columns),
          columns: { ...columns, y: numbers(...y) },
          split,
        });
        const model = await trainModel({ ...set, trainer: { type, parameters: { l2 } }, seed: 1 });
        expect(model.predictions.every(Number.isFinite)).toBe(true);
        await expectParity(set, model);
      }),
      { numRuns: 25 },
    );
  },
);

import { describe, expect, it } from 'vitest';
import { evaluateBaselines } from '../../../src/training/baselines/evaluate-baselines.js';
import { bikeTrainingSet } from '../bike.js';
import { literalTrainingSet, numbers, texts, times } from '../training-set.js';

const DAY = 86_400_000;
const days = (count: number): number[] => Array.from({ length: count }, (_, day) => day * DAY);

describe('evaluateBaselines', () => {
  it('gives the measured values of the bike data', async () => {
    const baselines = await evaluateBaselines({
      ...bikeTrainingSet({ weather: false }),
      baselines: [{ type: 'mean' }, { type: 'seasonal_naive', periodMs: 7 * DAY }],
    });
    expect(baselines.map(({ name, rows, metrics }) => [name, rows, Number(metrics['rmse']!.toFixed(1))])).toEqual([
      ['mean', 2168, 204.4],
      ['seasonal_naive_7d_where_known', 2129, 117.7],
      ['seasonal_naive_7d', 2168, 119.4],
    ]);
    expect(baselines[2]!.note).toContain('the 39 rows that have none');
  });

  it('takes the lag of the same entity only', async () => {
    const at = days(22).flatMap((day) => [day, day]);
    const { trainingSet, table } = literalTrainingSet({
      task: 'regression',
      target: 'y',
      features: [],
      entity: ['shop'],
      columns: {
        at: times(...at),
        shop: texts(...at.map((_, row) => (row % 2 === 0 ? 'a' : 'b'))),
        y: numbers(...at.map((_, row) => (row % 2 === 0 ? 1 : 5))),
      },
      split: at.map((_, row) => (row < 40 ? 'train' : 'test')),
    });
    const [lag] = await evaluateBaselines({
      trainingSet,
      table,
      baselines: [{ type: 'seasonal_naive', periodMs: DAY }],
    });
    expect(lag).toMatchObject({ name: 'seasonal_naive_1d', rows: 4, metrics: { rmse: 0 } });
  });

  it('takes the most frequent value for majority, and scores it as a probability', async () => {
    const y = [...days(24).map((_, row) => (row % 4 === 0 ? 0 : 1))];
    const { trainingSet, table } = literalTrainingSet({
      task: 'binary',
      target: 'y',
      features: [],
      columns: { at: times(...days(24)), y: numbers(...y) },
      split: y.map((_, row) => (row < 20 ? 'train' : 'test')),
    });
    const [majority, mean] = await evaluateBaselines({
      trainingSet,
      table,
      baselines: [{ type: 'majority' }, { type: 'mean' }],
    });
    expect(majority!.metrics['accuracy']).toBe(0.75);
    expect(mean!.metrics['brier']).toBeCloseTo(0.1875, 12);
  });

  it('refuses a period shorter than the horizon, which would know the future', async () => {
    const { trainingSet, table } = literalTrainingSet({
      task: 'regression',
      target: 'y',
      features: [],
      horizonMs: 2 * DAY,
      columns: { at: times(...days(24)), y: numbers(...days(24)) },
      split: days(24).map((_, row) => (row < 20 ? 'train' : 'test')),
    });
    const [lag] = await evaluateBaselines({
      trainingSet,
      table,
      baselines: [{ type: 'seasonal_naive', periodMs: DAY }],
    });
    expect(lag).toMatchObject({ rows: 0, metrics: {}, note: expect.stringContaining('know the future') as string });
  });
});

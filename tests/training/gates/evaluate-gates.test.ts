import { describe, expect, it } from 'vitest';
import type { GateConfig } from '../../../src/model/project.js';
import { evaluateGates, type GateInput } from '../../../src/training/gates/evaluate-gates.js';

const baselines = [
  { name: 'mean', metrics: { rmse: 200, r2: -0.1 }, rows: 100 },
  { name: 'seasonal_naive_7d', metrics: { rmse: 120, r2: 0.6 }, rows: 100 },
  { name: 'seasonal_naive_7d_where_known', metrics: { rmse: 90, r2: 0.8 }, rows: 90 },
];

function one(gate: Partial<GateConfig>, input: Partial<GateInput> = {}) {
  const [result] = evaluateGates({
    gates: [{ metric: 'rmse', betterThan: 'baseline', by: 0, ...gate }],
    task: 'regression',
    metrics: { rmse: 96, r2: 0.7 },
    baselines,
    heldOutRows: 100,
    ...input,
  });
  return result!;
}

describe('evaluateGates', () => {
  it('compares with the strongest baseline measured on all held-out rows', () => {
    expect(one({ by: 0.2 })).toEqual({
      gate: 'rmse better than baseline by 20 %',
      passed: true,
      value: 96,
      reference: 120,
      reason: 'rmse 96 against 120 of seasonal_naive_7d; needed at most 96',
    });
    expect(one({ by: 0.21 }).passed).toBe(false);
  });

  it('asks for more where higher is better', () => {
    expect(one({ metric: 'r2', by: 0.1 })).toMatchObject({ passed: true, reference: 0.6 });
    expect(one({ metric: 'r2', by: 0.2 }).passed).toBe(false);
    const negative = [{ name: 'mean', metrics: { r2: -0.5 }, rows: 100 }];
    expect(one({ metric: 'r2', by: 0.2 }, { baselines: negative, metrics: { r2: -0.45 } }).passed).toBe(false);
  });

  it('does not pass a model that is only as good', () => {
    expect(one({}, { metrics: { rmse: 120 } }).passed).toBe(false);
  });

  it('passes a first model for want of a champion', () => {
    expect(one({ betterThan: 'champion' })).toMatchObject({ passed: true, reason: 'no champion yet' });
  });

  it('compares with the champion on the rows both were given', () => {
    const champion = { version: 'v3', rows: 50, championMetrics: { rmse: 80 }, challengerMetrics: { rmse: 79 } };
    expect(one({ betterThan: 'champion' }, { champion })).toMatchObject({
      passed: true,
      value: 79,
      reference: 80,
      reason: 'rmse 79 against 80 of v3 on 50 rows',
    });
  });

  it('takes the metric of the task for a gate that names none', () => {
    expect(one({ metric: 'default' })).toMatchObject({ gate: expect.stringMatching(/^rmse better than/) as string });
    expect(one({ metric: 'default', betterThan: 'champion' }, { task: 'binary' }).gate).toMatch(/^logLoss better than/);
  });

  it.each([
    [
      'too few rows later than the champion',
      { betterThan: 'champion' },
      { champion: { version: 'v3', rows: 19, championMetrics: { rmse: 80 }, challengerMetrics: { rmse: 1 } } },
    ],
    [
      'features that cannot be rebuilt',
      { betterThan: 'champion' },
      { champion: { version: 'v3', rows: 99, championMetrics: {}, challengerMetrics: {}, notComputable: 'no column' } },
    ],
    ['a baseline without the metric', {}, { baselines: [] }],
    ['a model without the metric', {}, { metrics: {} }],
    ['a metric of another task', { metric: 'roc_auc' }, {}],
    ['an unknown metric', { metric: 'rmsee' }, {}],
  ] as [string, Partial<GateConfig>, Partial<GateInput>][])('fails as not computable for %s', (_, gate, input) => {
    const result = one(gate, input);
    expect(result.passed).toBe(false);
    expect(result.reason).toMatch(/^not computable: /);
  });

  it('says what a person can do when a champion cannot be compared with', () => {
    const champion = { version: 'v3', rows: 0, championMetrics: {}, challengerMetrics: {}, notComputable: 'no column' };
    expect(one({ betterThan: 'champion' }, { champion }).reason).toBe(
      'not computable: no column; if it is the better one all the same, promote it by hand',
    );
  });
});

import { describe, expect, it } from 'vitest';
import { evaluateMetrics } from '../../../src/training/metrics/evaluate-metrics.js';
import { findMetric } from '../../../src/training/metrics/metric-list.js';
import { rocAuc } from '../../../src/training/metrics/roc-auc.js';
import { readReference } from '../reference.js';

interface Case {
  readonly y: number[];
  readonly predictions: number[];
  readonly metrics: Record<string, number>;
}
const reference = readReference<{ regression: Case; binary: Case }>('metrics.json');

describe('evaluateMetrics', () => {
  it.each(['regression', 'binary'] as const)('agrees with scikit-learn on every metric of a %s task', async (task) => {
    const { y, predictions, metrics } = reference[task];
    const ours = await evaluateMetrics(task, Float64Array.from(y), Float64Array.from(predictions));
    expect(Object.keys(ours).sort()).toEqual(Object.keys(metrics).sort());
    // Both sum 60 float64 terms, in different orders.
    for (const [name, value] of Object.entries(metrics)) expect(ours[name], name).toBeCloseTo(value, 12);
  });

  it('leaves out what a single class or a truth of 0 does not define', async () => {
    const ones = await evaluateMetrics('binary', Float64Array.of(1, 1), Float64Array.of(0.9, 0.8));
    expect(ones).not.toHaveProperty('rocAuc');
    expect(ones['accuracy']).toBe(1);
    const zeros = await evaluateMetrics('regression', Float64Array.of(0, 0), Float64Array.of(1, 1));
    expect(zeros).toEqual({ rmse: 1, mae: 1 });
  });

  it('scores a certain and wrong probability with a finite loss', async () => {
    const { logLoss } = await evaluateMetrics('binary', Float64Array.of(1), Float64Array.of(0));
    expect(logLoss).toBeCloseTo(52 * Math.LN2, 9);
  });
});

describe('rocAuc', () => {
  it('is one half when all scores tie', async () => {
    expect(await rocAuc(Float64Array.of(0, 1, 1, 0), Float64Array.of(3, 3, 3, 3))).toBe(0.5);
  });
});

describe('findMetric', () => {
  it('knows a metric in both spellings', async () => {
    expect(findMetric('roc_auc')?.name).toBe('rocAuc');
    expect(findMetric('rocAuc')?.better).toBe('higher');
    expect(findMetric('rms')).toBeUndefined();
  });
});

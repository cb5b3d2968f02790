import { expect, it } from 'vitest';
import { renderModelCard } from '../../../src/training/model-card/render-model-card.js';
import { bikeTrainingSet } from '../bike.js';

it('puts the numbers, the gates and the assumptions of a model on one page, and lets no name break it', () => {
  const { trainingSet } = bikeTrainingSet({ weather: false });
  const hostile = 'x|`y`\n# z <b>';
  const card = renderModelCard({
    name: 'bike-demand',
    trainer: 'gradient_boosting',
    parameters: { nEstimators: 100 },
    seed: 42,
    trainingSet: {
      ...trainingSet,
      features: [{ name: hostile, view: 'v', kind: 'number', nullShare: 0.125 }],
      assumptions: ['weather: known at target − 24 h (declared)'],
      inputs: { 'raw.rides': 'load 7' },
    },
    metrics: { rmse: 94.61234, r2: 0.75 },
    trainMetrics: { rmse: 40, r2: 0.9 },
    baselines: [{ name: 'mean', metrics: { rmse: 204.4 }, rows: 2168, note: 'always 7' }],
    gates: [{ gate: 'rmse better than baseline by 20 %', passed: false, reason: 'because' }],
    parity: { maxDelta: 3.0518e-5, rows: 2168 },
    importance: [{ feature: hostile, gain: 3 }],
    others: [
      {
        name: 'linear, variant later',
        metrics: { rmse: 141 },
        assumptions: ['weather: known at target − 24 h (declared)', 'rain: measured at the target itself'],
      },
    ],
  });
  expect(card).toContain('# bike-demand\n');
  expect(card).toContain('A gradient_boosting model of `rides` (regression), predicted 24 h before `hour_at`.');
  expect(card).toContain('| **this model, held out** | 94.612 | 0.75 | 2168 |');
  expect(card).toContain('| mean: always 7 | 204.4 |  | 2168 |');
  expect(card).toContain('| linear, variant later | 141 |  | 2168 |');
  expect(card).toContain('- **failed**: rmse better than baseline by 20 % (because)');
  expect(card).toContain("| `x\\|'y' # z <b>` | v | number | 12.5 % | 100 % |");
  expect(card).toContain('predictions of 2168 held-out rows; the largest difference is 0.000030518.');
  expect(card.slice(card.indexOf('## Assumptions'), card.indexOf('## How it'))).toBe(
    '## Assumptions\n\n- weather: known at target − 24 h (declared)\n' +
      '- linear, variant later only: rain: measured at the target itself\n\n',
  );
  expect(card).toContain('| `raw.rides` | `load 7` |');
  expect(card).toContain('| nEstimators | 100 |');
  expect(
    card
      .split('\n')
      .filter((line) => line.startsWith('#'))
      .map((line) => line.replace(/^#+ /, '')),
  ).toEqual(['bike-demand', 'How well', 'Gates', 'From what', 'Assumptions', 'How it was made']);
});

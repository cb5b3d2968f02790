import { describe, expect, it } from 'vitest';
import { checkLeakage } from '../../../src/features/leakage/check-leakage.js';
import type { TrainingSet } from '../../../src/model/training-set.js';
import type { Column, ColumnTable } from '../../../src/table/column-table.js';

const ROWS = 400_000;
const FEATURES = 20;

/** 400,000 hours of 100 shops with 20 features of noise, the last fifth held out. */
function largeSet(): { table: ColumnTable; trainingSet: TrainingSet } {
  let state = 7;
  const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  const numbers = (value: (row: number) => number): Column => {
    const values = new Float64Array(ROWS);
    for (let row = 0; row < ROWS; row++) values[row] = value(row);
    return { kind: 'number', values };
  };
  const names = Array.from({ length: FEATURES }, (_name, index) => `x${index}`);
  const columns = new Map<string, Column>(names.map((name) => [name, numbers(random)]));
  columns.set('shop', { kind: 'text', values: Array.from({ length: ROWS }, (_value, row) => `shop ${row % 100}`) });
  columns.set('hour', {
    kind: 'time',
    values: numbers((row) => Math.floor(row / 100) * 3_600_000).values as Float64Array,
  });
  columns.set('y', numbers(random));
  columns.set('_split', {
    kind: 'text',
    values: Array.from({ length: ROWS }, (_value, row) => (row < ROWS * 0.8 ? 'train' : 'test')),
  });
  const trainingSet: TrainingSet = {
    artifact: { sha256: '0'.repeat(64), bytes: 0 },
    rows: ROWS,
    trainRows: ROWS * 0.8,
    testRows: ROWS * 0.2,
    task: 'regression',
    entity: ['shop'],
    labelTime: 'hour',
    target: 'y',
    horizonMs: 3_600_000,
    testFrom: '1970-01-01',
    features: names.map((name) => ({ name, view: 'v', kind: 'number', nullShare: 0 })),
    assumptions: [],
    inputs: {},
  };
  return { table: { rowCount: ROWS, columns }, trainingSet };
}

/** How often the event loop came round while `work` was under way. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let next: NodeJS.Immediate;
  const tick = (): void => {
    turns++;
    next = setImmediate(tick);
  };
  next = setImmediate(tick);
  await work();
  clearImmediate(next);
  return turns;
}

describe('the leak check of 400,000 rows × 20 columns', { timeout: 180_000 }, () => {
  const set = largeSet();

  it('lets the event loop round at least once for every 200,000 values of a single pass over the table', async () => {
    // One pass is 8 million values; the check makes several.
    const turns = await turnsDuring(() => checkLeakage(set));
    expect(turns).toBeGreaterThan((ROWS * FEATURES) / 200_000);
  });

  it('stops at the next turn when aborted', async () => {
    const controller = new AbortController();
    const checked = checkLeakage({ ...set, signal: controller.signal });
    setImmediate(() => controller.abort(new Error('cancelled')));
    await expect(checked).rejects.toThrow('cancelled');
  });
});

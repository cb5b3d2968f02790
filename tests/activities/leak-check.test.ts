import { afterEach, describe, expect, it } from 'vitest';
import { createWorkbench, type Workbench } from './workbench.js';

let bench: Workbench;
afterEach(() => bench.destroy());

/** `rows` days; `failed` is 1 on every `every`th. */
function days(rows: number, every: number): string {
  const lines = Array.from({ length: rows }, (_line, day) => {
    const date = new Date(Date.UTC(2025, 0, 1 + day)).toISOString().slice(0, 10);
    return `${date},${day % every === 7 ? 1 : 0},${(day * 37) % 11}`;
  });
  return `day,failed,load\n${lines.join('\n')}\n`;
}

const FILES = {
  'plumbline.yaml':
    "name: shop\nsources: { days: { path: 'days.csv' } }\ntrain: { labels: labels.sql, features: [machine], test_from: 2025-05-01 }\n",
  'labels.sql':
    "-- entity: day\n-- label_time: day\n-- target: failed\n-- horizon: 0d\nSELECT day, failed FROM {{ source('days') }}\n",
  'features/machine.sql':
    "-- entity: day\n-- event_time: day\n-- known_at_assumed: written down at once\nSELECT day, load FROM {{ source('days') }}\n",
};

async function features(files: Readonly<Record<string, string>>) {
  bench = await createWorkbench({ ...FILES, ...files });
  const { run, plan } = await bench.open('run-1');
  await bench.elt(run, plan);
  return bench.features(run);
}

describe('the leak check of a run', () => {
  it('says in its outcome and among the assumptions what it could not compute', async () => {
    const line = 'single columns: too few rows of one class to learn from earlier and score later ones';
    const summary = await features({ 'days.csv': days(160, 40) });
    expect(summary).toMatchObject({ leakCheck: 'leak check passed in part', notChecked: [line] });
    expect(summary.trainingSet.assumptions).toContain(`not checked for leaks: ${line}`);
  });

  it('says that it passed when all was computed', async () => {
    const summary = await features({ 'days.csv': days(160, 12) });
    expect(summary).toMatchObject({ leakCheck: 'leak check passed', notChecked: [] });
    expect(summary.trainingSet.assumptions).toHaveLength(1);
  });

  it('leaves out a column that its view accepts, and says so in plan and among the assumptions', async () => {
    const view = (header = '') =>
      `-- entity: day\n-- event_time: day\n-- known_at: known_at\n${header}` +
      "SELECT day, day - 1 AS known_at, load, failed AS alarm FROM {{ source('days') }}\n";
    const data = { 'days.csv': days(160, 12) };
    await expect(features({ ...data, 'features/machine.sql': view() })).rejects.toMatchObject({
      message: expect.stringContaining('Feature column alarm would leak the target') as string,
      details: [{ next: expect.stringContaining('`-- leak_accepted: { alarm: the reason }`') as string }],
    });

    await bench.close((await bench.open('run-1')).run, 'failed');
    const header = '-- leak_accepted: { alarm: "raised the day before, by hand" }\n';
    await bench.write({ 'features/machine.sql': view(header) });
    const { run, plan } = await bench.open('run-2');
    await bench.elt(run, plan);
    const summary = await bench.features(run);
    const line = 'machine: alarm not checked for leaks (accepted: raised the day before, by hand)';
    expect(summary).toMatchObject({ leakCheck: 'leak check passed', trainingSet: { assumptions: [line] } });
    expect((await bench.call('explainPlan', { run })).assumptions).toEqual([line]);
  });
});

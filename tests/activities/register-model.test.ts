import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { DeploymentInput } from '../../src/contracts/deployment.js';
import type { RegisteredModel } from '../../src/contracts/training.js';
import { promote } from '../../src/deployment/promote.js';
import { readVersion } from '../../src/deployment/read-versions.js';
import { listOffered } from '../../src/storage/run-steps.js';
import { createWorkbench, type Workbench } from './workbench.js';

const KEY = { env: 'dev', project: 'shop', model: 'shop' };

let bench: Workbench;
afterEach(() => bench.destroy());

/** Units that follow the weekday: 120 days from 2025-01-01 on. */
function sales(): string {
  const rows = [...Array(120).keys()].map((day) => {
    const date = new Date(Date.UTC(2025, 0, 1 + day));
    return `${date.toISOString().slice(0, 10)},${date.getUTCDay() * 10 + (day % 3)},${(day * 7) % 11}`;
  });
  return `day,units,rain\n${rows.join('\n')}\n`;
}

const CALENDAR = `-- entity: day
-- event_time: day
-- known_at: known_at
SELECT day, day - 365 AS known_at, extract(isodow FROM day)::int AS weekday FROM {{ ref('daily') }}
`;
const FILES = {
  'plumbline.yaml': `name: shop
sources:
  sales: { path: a.csv }
train:
  labels: labels.sql
  features: [calendar]
  test_from: 2025-02-20
  trainer: linear
  gates: [{ metric: rmse, better_than: champion }]
`,
  'a.csv': sales(),
  'sql/daily.sql': "SELECT day, units, rain FROM {{ source('sales') }}\n",
  'labels.sql': `-- entity: day
-- label_time: day
-- target: units
-- horizon: 0d
SELECT day, units FROM {{ ref('daily') }}
`,
  'features/calendar.sql': CALENDAR,
};

/** One run up to the registered version, as the workflows do it. */
async function register(
  runId: string,
  deploy?: (input: DeploymentInput) => Promise<unknown>,
): Promise<RegisteredModel> {
  const { run, plan } = await bench.open(runId);
  await bench.elt(run, plan);
  const { sets, trainer } = plan.train!;
  for (const set of sets) await bench.call('buildTrainingSet', { run, set });
  const baselines = await bench.call('evaluateBaselines', { run });
  const models = [];
  for (const set of sets) models.push(await bench.call('trainModel', { run, set, trainer }));
  const [trained, ...others] = models;
  const registered = await bench.call('registerModel', { run, trained: trained!, others, baselines });
  const { model, version, digest } = registered;
  await deploy?.({ run, model, version, digest, approval: 'manual', approvalTimeoutMs: 60_000 });
  await bench.close(run);
  return registered;
}

const serve = (version: number) =>
  promote({ database: bench.test.database, ...KEY, version, who: 'ann', reason: 'looks right' });

describe('registerModel', { timeout: 60_000 }, () => {
  it('registers beside a champion whose model file is gone, and judges again once it is back', async () => {
    bench = await createWorkbench(FILES);
    await register('run-1');
    await serve(1);
    const { onnx } = await readVersion(bench.test.database, KEY, 1);
    const path = join(bench.root, '.plumbline/store/sha256', onnx.sha256.slice(0, 2), onnx.sha256);
    const content = await readFile(path);
    await rm(path);

    await bench.write({ 'features/calendar.sql': CALENDAR.replace('AS weekday', 'AS weekday, rain') });
    expect(await register('run-2')).toMatchObject({
      version: 2,
      created: true,
      gates: [{ passed: false, reason: expect.stringContaining('the model file of v1 cannot be used') as string }],
    });
    await writeFile(path, content);
    expect(await register('run-3')).toMatchObject({
      version: 2,
      created: false,
      gates: [{ reason: expect.stringContaining('of v1 on 70 rows') as string }],
    });
    expect(await register('run-4')).toMatchObject({ version: 2 });
    expect(
      await bench.test.database.query(
        `SELECT run_id, status, reason FROM plumbline.run_steps WHERE step = 'register' ORDER BY run_id`,
      ),
    ).toMatchObject([
      {},
      { status: 'succeeded' },
      { status: 'succeeded', reason: 'a gate was not computable' },
      { status: 'reused', reason: 'unchanged' },
    ]);
  });

  it('does not compare with a champion whose feature means something else by now', async () => {
    bench = await createWorkbench(FILES);
    await register('run-1');
    await serve(1);
    await bench.write({
      'features/calendar.sql': CALENDAR.replace('extract(isodow FROM day)', '8 - extract(isodow FROM day)'),
    });
    expect((await register('run-2')).gates).toEqual([
      {
        gate: 'rmse better than champion',
        passed: false,
        reason:
          'not computable: features/calendar.sql changed, and v1 learned other values of weekday: 103 of the 120 rows ' +
          'in both training sets differ; if it is the better one all the same, promote it by hand',
      },
    ]);
    // The same through a transform, which the view reads.
    await bench.write({
      'features/calendar.sql': CALENDAR.replace('day, day - 365', 'day, rain, day - 365'),
      'sql/daily.sql': "SELECT day, units * 2 AS units, rain FROM {{ source('sales') }}\n",
    });
    expect((await register('run-3')).gates).toMatchObject([
      {
        passed: false,
        reason: expect.stringMatching(
          /features\/calendar.sql, sql\/daily.sql changed, and v1 learned other values of units/,
        ) as string,
      },
    ]);
  });

  it('writes a card with version, parity and what a variant beside the model takes for granted', async () => {
    bench = await createWorkbench({
      ...FILES,
      'plumbline.yaml': FILES['plumbline.yaml'].replace(
        '  trainer:',
        '  variants: { hindsight: { features: [calendar, rain] } }\n  trainer:',
      ),
      'features/rain.sql': `-- entity: day
-- event_time: day
-- known_at: day
-- assumption: the rain of the day itself
SELECT day, rain FROM {{ ref('daily') }}
`,
    });
    await register('run-1');
    const { modelCard, assumptions } = await readVersion(bench.test.database, KEY, 1);
    expect(modelCard).toContain('- linear, variant hindsight only: rain: the rain of the day itself\n');
    expect(modelCard).toMatch(/^# shop v1\n/);
    expect(modelCard).toMatch(/\nServing gives the trainer's own predictions of 70 held-out rows; .* difference is /);
    expect(assumptions).toEqual([]);
  });
});

describe('listOffered', { timeout: 60_000 }, () => {
  it('names the version of a deployment that goes on after its run, until it ends', async () => {
    bench = await createWorkbench(FILES);
    const { database } = bench.test;
    expect(await listOffered(database, KEY)).toEqual([]);
    let input: DeploymentInput | undefined;
    await register('run-1', (deployed) => {
      input = deployed;
      return bench.call('beginDeployment', deployed);
    });
    expect(await listOffered(database, KEY)).toEqual([{ model: 'shop', version: 1 }]);
    expect(await listOffered(database, { ...KEY, env: 'prod' })).toEqual([]);
    const result = { model: 'shop', version: 1, status: 'rejected', reason: 'no' } as const;
    await bench.call('endDeployment', { run: input!.run, result });
    expect(await listOffered(database, KEY)).toEqual([]);
  });
});

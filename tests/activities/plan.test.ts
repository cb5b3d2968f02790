import { afterEach, describe, expect, it } from 'vitest';
import type { DeploymentInput } from '../../src/contracts/deployment.js';
import type { RunPlan, RunRef } from '../../src/contracts/run.js';
import type { RegisteredModel } from '../../src/contracts/training.js';
import { recordDecision } from '../../src/deployment/decisions.js';
import { rollback } from '../../src/deployment/rollback.js';
import { createWorkbench, type Workbench } from './workbench.js';

let bench: Workbench;
afterEach(() => bench.destroy());

/** Sales whose target hangs on the weekday, so that a linear model on it beats the mean. */
function sales(days: number): string {
  const rows = Array.from({ length: days }, (_, day) => {
    const date = new Date(Date.UTC(2025, 0, 1 + day));
    const noise = ((day * 37) % 11) - 5;
    return `${date.toISOString().slice(0, 10)},${10 * date.getUTCDay() + noise}`;
  });
  return `day,units\n${rows.join('\n')}\n`;
}

const KNOWN = '-- known_at: known_at\n';
const calendar = (known: string): string =>
  `-- entity: day\n-- event_time: day\n${known}SELECT day, ${known === KNOWN ? 'day - 365 AS known_at, ' : ''}extract(dow FROM day)::int AS weekday FROM {{ ref('daily') }}\n`;
const project = (train: string, deploy = ''): string =>
  `name: shop\nsources:\n  sales: { path: a.csv }\ntrain:\n  labels: labels.sql\n  features: [calendar]\n  test_from: 2025-03-20\n${train}${deploy}`;
const LINEAR = '  trainer: linear\n  baselines: [mean]\n  gates: [{ metric: rmse, better_than: baseline, by: 10% }]\n';
const FILES = {
  'a.csv': sales(120),
  'sql/daily.sql': "SELECT day, units FROM {{ source('sales') }}\n",
  'labels.sql':
    "-- entity: day\n-- label_time: day\n-- target: units\n-- horizon: 0d\nSELECT day, units FROM {{ ref('daily') }}\n",
  'features/calendar.sql': calendar(KNOWN),
};

/** What `plan` says of the code as it is, as `action step: reason`. */
async function planned(): Promise<{ lines: string[]; assumptions: readonly string[] }> {
  const run = await bench.ref('plan');
  const { lines, assumptions } = await bench.call('explainPlan', { run });
  return { lines: lines.map(({ step, action, reason }) => `${action} ${step}: ${reason}`), assumptions };
}
const linesOf = async (...steps: string[]): Promise<string[]> =>
  (await planned()).lines.filter((line) => steps.includes(/^\w+ ([^ ]+): /.exec(line)![1]!));

/** What the workflows do up to the registration. */
async function trainAll(runId: string): Promise<{ run: RunRef; plan: RunPlan; registered: RegisteredModel }> {
  const { run, plan } = await bench.open(runId);
  await bench.elt(run, plan);
  await bench.features(run);
  const baselines = await bench.call('evaluateBaselines', { run });
  const trained = await bench.call('trainModel', { run, set: 'main', trainer: plan.train!.trainer });
  const registered = await bench.call('registerModel', { run, trained, others: [], baselines });
  await bench.close(run);
  return { run, plan, registered };
}

async function deploy({ run, plan, registered }: Awaited<ReturnType<typeof trainAll>>): Promise<void> {
  const { version, digest } = registered;
  const input: DeploymentInput = { run, version, digest, ...plan.deploy };
  const { epoch } = await bench.call('beginDeployment', input);
  await bench.call('promoteModel', { ...input, expectedEpoch: epoch, who: 'ann', reason: 'good' });
}

describe('plan', () => {
  it('names every step of the first run, the comparison and the deployment too', async () => {
    bench = await createWorkbench({ ...FILES, 'plumbline.yaml': project('', 'deploy: { approval: manual }\n') });
    expect((await planned()).lines).toEqual([
      'run load:sales: first time',
      'run transform:daily: after load:sales',
      'run features:main: after transform:daily',
      'run baselines: after features:main',
      'run train:gradient_boosting: after features:main',
      'run train:linear: after features:main',
      'run register: after train:gradient_boosting, baselines',
      'run deploy: after register, if the gates pass; approval: manual',
    ]);
  });

  it('says that other gates, baselines or an approval are judged and deployed anew', async () => {
    bench = await createWorkbench({ ...FILES, 'plumbline.yaml': project(LINEAR) });
    await trainAll('run-1');
    const model = 'reuse train:linear: unchanged';
    expect(await linesOf('baselines', 'train:linear', 'register', 'deploy')).toEqual([
      'reuse baselines: unchanged',
      model,
      'reuse register: unchanged',
      'run deploy: v1 does not serve yet; approval: none',
    ]);

    await bench.write({ 'plumbline.yaml': project(LINEAR.replace('10%', '20%')) });
    expect(await linesOf('baselines', 'train:linear', 'register', 'deploy')).toEqual([
      'reuse baselines: unchanged',
      model,
      'run register: changed: gates',
      'run deploy: after register, if the gates pass; approval: none',
    ]);

    await bench.write({ 'plumbline.yaml': project(LINEAR.replace('[mean]', '[mean, { seasonal_naive: 7d }]')) });
    expect(await linesOf('baselines', 'train:linear', 'register')).toEqual([
      'run baselines: changed: baselines',
      model,
      'run register: after baselines',
    ]);

    await bench.write({ 'plumbline.yaml': project(LINEAR, 'deploy: { approval: manual }\n') });
    expect(await linesOf('register', 'deploy')).toEqual([
      'reuse register: unchanged',
      'run deploy: v1 waits for `plumbline models approve shop 1`',
    ]);
    const key = { env: 'dev', project: 'shop', model: 'shop', version: 1 };
    const decision = { ...key, kind: 'reject' as const, who: 'bob', reason: 'too few rows' };
    await recordDecision({ database: bench.test.database, decision });
    expect(await linesOf('deploy')).toEqual(['skip deploy: v1 was rejected by bob: too few rows']);
  });

  it('knows the version that serves, and one that was rolled back', async () => {
    bench = await createWorkbench({ ...FILES, 'plumbline.yaml': project(LINEAR) });
    await deploy(await trainAll('run-1'));
    expect(await linesOf('register', 'deploy')).toEqual([
      'reuse register: the same model serves already',
      'reuse deploy: v1 serves already',
    ]);
    await bench.write({ 'plumbline.yaml': project(LINEAR.replace('linear', '{ type: linear, l2: 30 }')) });
    await deploy(await trainAll('run-2'));
    const key = { env: 'dev', project: 'shop', model: 'shop' };
    await rollback({ database: bench.test.database, ...key, who: 'ann', reason: 'odd numbers' });
    expect(await linesOf('register', 'deploy')).toEqual([
      'reuse register: unchanged',
      'skip deploy: v2 was rolled back by ann: odd numbers',
    ]);
  });

  it('says of a version that failed its gates that it is not deployed', async () => {
    bench = await createWorkbench({ ...FILES, 'plumbline.yaml': project(LINEAR.replace('10%', '99%')) });
    await trainAll('run-1');
    expect(await linesOf('deploy')).toEqual([expect.stringMatching(/^skip deploy: v1 failed its gates: rmse /)]);
  });

  it('follows a set that is the one of an earlier run, not the newest', async () => {
    bench = await createWorkbench({ ...FILES, 'plumbline.yaml': project(LINEAR) });
    await trainAll('run-1');
    await bench.write({ 'features/calendar.sql': calendar(KNOWN).replace('::int', '::int + 1') });
    await trainAll('run-2');
    await bench.write({ 'features/calendar.sql': calendar(KNOWN) });
    expect(await linesOf('features:main', 'train:linear', 'register')).toEqual([
      'reuse features:main: same inputs as in run run-1',
      'reuse train:linear: same inputs as in run run-1',
      expect.stringMatching(/^run register: changed: model, training set/),
    ]);
  });

  it('prints what is assumed of known-at, with the reason given', async () => {
    const accepted = '-- known_at_assumed: "rows are never corrected"\n';
    bench = await createWorkbench({
      ...FILES,
      'plumbline.yaml': project(LINEAR),
      'features/calendar.sql': calendar(`${accepted}-- assumption: no holidays\n`),
    });
    expect(await planned()).toMatchObject({
      assumptions: ['calendar: known = event time (assumed: rows are never corrected)', 'calendar: no holidays'],
      lines: expect.arrayContaining(['run features:main: after transform:daily']) as string[],
    });
  });

  it('says that a view without known-at over a rewritten table stops the run, and what is not come to', async () => {
    bench = await createWorkbench({
      ...FILES,
      'plumbline.yaml': project(LINEAR),
      'features/calendar.sql': calendar(''),
    });
    expect((await planned()).lines.slice(2)).toEqual([
      expect.stringMatching(/^fail features:main: FEATURES_KNOWN_AT: .*calendar.* reads daily/),
      'skip baselines: features:main fails',
      'skip train:linear: features:main fails',
      'skip register: features:main fails',
      'skip deploy: features:main fails',
    ]);
    const { run, plan } = await bench.open('run-1');
    await bench.elt(run, plan);
    await expect(bench.features(run)).rejects.toThrow(/it has no known_at column/);
  });
});

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createActivities } from '../../src/activities/index.js';
import { applySchedules, planSchedules, type ScheduleChange } from '../../src/client/apply-schedules.js';
import { collectGarbage } from '../../src/client/collect-garbage.js';
import { backfillProgress, changeBackfill, startBackfill } from '../../src/client/backfills.js';
import type { TemporalConnection } from '../../src/client/connect.js';
import { endStarts, findTemporalSchedule } from '../../src/client/find-schedule.js';
import { describeSchedules } from '../../src/client/list-schedules.js';
import { createRunTemplate, recordBundle } from '../../src/client/start-run.js';
import { loadProject } from '../../src/project/load-project.js';
import { packBundle } from '../../src/project/pack-bundle.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import { markPaused } from '../../src/storage/schedules.js';
import { bundleWorkflows } from '../setup/bundle-workflows.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';
import { startTestTemporal, type TestTemporal } from '../setup/temporal.js';
import { waitFor } from '../support/stack.js';

let server: TestTemporal;
let test: TestDatabase;
let root: string;
let temporal: TemporalConnection;
let stop: () => Promise<void>;
const NOW = new Date();
const owner = { env: 'dev', name: 'shop' };
const day = (offset: number): string => new Date(NOW.getTime() + offset * 86_400_000).toISOString().slice(0, 10);

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const [started, database, bundle] = await Promise.all([startTestTemporal(), createTestDatabase(), bundleWorkflows()]);
  server = started;
  test = database;
  root = await mkdtemp(join(tmpdir(), 'plumbline-schedules-'));
  const connection = await Connection.connect({ address: server.address });
  temporal = { client: new Client({ connection }), namespace: 'default', close: () => connection.close() };
  const native = await NativeConnection.connect({ address: server.address });
  const worker = await Worker.create({
    connection: native,
    taskQueue: 'plumbline-default',
    workflowBundle: bundle,
    activities: createActivities({
      database: test.database,
      store: openDirectoryStore(join(root, 'store')),
      cacheDir: join(root, 'cache'),
      threads: 1,
      log: pino({ level: 'silent' }),
    }),
  });
  const running = worker.run();
  stop = async () => {
    worker.shutdown();
    await running;
    await connection.close();
    await native.close();
  };
}, 90_000);
afterAll(async () => {
  await stop?.();
  await server?.stop();
  await test?.drop();
  await rm(root, { recursive: true, force: true });
});

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, 'project', path)), { recursive: true });
    await writeFile(join(root, 'project', path), text);
  }
}

async function template() {
  const folder = join(root, 'project');
  const bundle = await packBundle({ root: folder, store: openDirectoryStore(join(root, 'store')) });
  await recordBundle(test.database, owner.name, bundle);
  const code = { digest: bundle.digest, artifact: bundle.artifact.sha256 };
  return createRunTemplate(temporal, { env: 'dev', project: 'shop', bundle: code, root: folder, force: false });
}

async function apply(schedule: string, isDryRun = false): Promise<ScheduleChange[]> {
  await write({
    'plumbline.yaml': `name: shop
sources: { events: { path: events.csv } }
tests: { daily: [{ accepted_range: { column: units, min: 0 } }] }
schedule: ${schedule}
`,
  });
  const project = await loadProject({ root: join(root, 'project') });
  const scope = { database: test.database, temporal, project, template: await template(), appliedBy: 'ann', now: NOW };
  const changes = await planSchedules(scope);
  if (!isDryRun) await applySchedules(scope, changes);
  return changes;
}

const trigger = (name: string) => temporal.client.schedule.getHandle(`dev/shop/schedule/${name}`).trigger('BUFFER_ONE');
const listed = async (name: string) =>
  (await describeSchedules({ database: test.database, temporal }, owner, NOW)).find((one) => one.name === name)!;
const intervals = () =>
  test.database.query(
    'SELECT start_at::date::text AS start, state, claims FROM plumbline.intervals ORDER BY start_at DESC',
  );
const ended = (name: string, status: string) =>
  waitFor(
    `a start of ${name} that ${status}`,
    async () => {
      const { running, lastRun } = await listed(name);
      return running === 0 && lastRun?.status === status ? lastRun : undefined;
    },
    60_000,
  );
const DAILY = `-- materialized: incremental
-- interval_column: day
SELECT day, units FROM {{ source('events') }} WHERE day >= '{{ interval.start }}' AND day < '{{ interval.end }}'
`;

it('the file is made true in Temporal, and every interval that is missing is done once, whatever happens', async () => {
  await write({ 'events.csv': `day,units\n${day(-3)},1\n${day(-2)},2\n${day(-1)},-3\n`, 'sql/daily.sql': DAILY });
  // Of another project: none of this one's business.
  const other = { type: 'startWorkflow', workflowType: 'plan', taskQueue: 'nobody', args: [] } as const;
  await temporal.client.schedule.create({ scheduleId: 'dev/other/schedule/load', spec: {}, action: other });

  const yearly = (more: string): string => `{ cron: 0 3 1 1 *, interval: daily, start: ${day(-3)}, ${more} }`;
  const first = `{ load: ${yearly('stages: [load]')}, old: 0 4 1 1 * }`;
  expect(await apply(first, true)).toMatchObject([{ name: 'load', action: 'create' }, { name: 'old', action: 'create' }]); // prettier-ignore
  expect(await findTemporalSchedule(temporal, owner, 'load')).toBeUndefined();
  await apply(first);
  expect(await apply(first)).toMatchObject([{ action: 'keep', differences: [] }, { action: 'keep' }]);
  const changed = await apply(`{ load: ${yearly('stages: [load], pause_on_failure: true')} }`);
  expect(changed).toMatchObject([
    {
      name: 'load',
      action: 'update',
      differences: ['pause_on_failure: false → true', expect.stringMatching(/^code: /)],
    },
    { name: 'old', action: 'delete' },
  ]);
  expect(await findTemporalSchedule(temporal, owner, 'old')).toBeUndefined();
  expect((await findTemporalSchedule(temporal, { env: 'dev', name: 'other' }, 'load'))?.scheduleId).toBeDefined();
  expect(await listed('load')).toMatchObject({ state: 'active', behind: 3, skipped: 0, appliedBy: 'ann' });

  // What stands in the way of a start, whose worker is nobody's: a start that waits is ended, gently or not.
  const blocker = await temporal.client.workflow.start('plan', { workflowId: 'dev/shop/pipeline/latest', taskQueue: 'nobody' }); // prettier-ignore
  for (const when of ['behind their run', 'now'] as const) {
    await trigger('load');
    const waits = async () => ((await listed('load')).running === 1 ? findTemporalSchedule(temporal, owner, 'load') : undefined); // prettier-ignore
    expect(await endStarts(temporal, await waitFor('a start that waits', waits, 30_000), when)).toBe(1);
    await waitFor('its end', async () => ((await listed('load')).running === 0 ? true : undefined), 30_000);
  }
  await blocker.terminate();
  expect(await intervals()).toEqual([]);

  // Two of three days are good. The third one's data test fails: it is left, and the schedule pauses.
  await trigger('load');
  await ended('load', 'failed');
  expect(await intervals()).toEqual([
    { start: day(-1), state: 'failed', claims: 1 },
    { start: day(-2), state: 'done', claims: 1 },
    { start: day(-3), state: 'done', claims: 1 },
  ]);
  expect(await listed('load')).toMatchObject({ state: 'paused', behind: 1 });

  // Corrected, two schedules meet on one table: one waits for the other, no start fails, nothing is done twice.
  await write({ 'events.csv': `day,units\n${day(-3)},1\n${day(-2)},2\n${day(-1)},3\n` });
  const both = `{ load: ${yearly('stages: [load]')}, again: { cron: 0 5 1 1 *, interval: daily, start: ${day(-4)}, stages: [load] } }`;
  await apply(both);
  expect((await listed('load')).state).toBe('paused');
  await temporal.client.schedule.getHandle('dev/shop/schedule/load').unpause();
  await Promise.all([trigger('load'), trigger('again')]);
  await waitFor(
    'both starts to end',
    async () => {
      const [one, two] = [await listed('load'), await listed('again')];
      return one.running + two.running === 0 && two.behind === 0 && one.behind === 0 ? true : undefined;
    },
    60_000,
  );
  expect(await intervals()).toEqual([
    { start: day(-1), state: 'done', claims: 2 },
    { start: day(-2), state: 'done', claims: 1 },
    { start: day(-3), state: 'done', claims: 1 },
    { start: day(-4), state: 'done', claims: 1 },
  ]);
  const statuses: string[] = [];
  for await (const found of temporal.client.workflow.list({ query: `WorkflowType = 'scheduledRun'` }))
    statuses.push(found.status.name);
  expect(statuses.sort()).toEqual(['CANCELLED', 'COMPLETED', 'COMPLETED', 'COMPLETED', 'FAILED']);
  expect(await test.database.query('SELECT units::int FROM shop_dev.daily ORDER BY day')).toEqual([1, 2, 3].map((units) => ({ units }))); // prettier-ignore

  // What the past lacks is filled up without a schedule; what is done stays.
  const range = { from: `${day(-6)}T00:00:00Z`, until: `${day(-2)}T00:00:00Z` };
  const grid = { length: 'daily', timezone: 'UTC' } as const;
  const request = {
    template: await template(),
    stages: ['elt' as const],
    grid,
    failedOnly: false,
    who: 'ann',
    ...range,
  };
  // Paused for longer than records are kept, one keeps its code, which nothing else refers to.
  const code = { digest: 'f'.repeat(64), artifact: 'e'.repeat(64) };
  await test.database.execute(
    `INSERT INTO plumbline.bundles (digest, artifact, project, files, used_at) VALUES ($1, $2, 'shop', '{}', now() - interval '1 year')`,
    [code.digest, code.artifact],
  );
  const expired = async (): Promise<number> => {
    const { env, project, bundle, root: folder, searchAttributes } = request.template;
    const input = { env, project, bundle, root: folder, searchAttributes, startedBy: 'ann', dryRun: true };
    return (await collectGarbage(temporal, { ...input, retention: { runsMs: 86_400_000, graceMs: 86_400_000 } })).expired['bundles']!; // prettier-ignore
  };
  const position = { done: 0, failed: 0, failedInARow: 0, paused: true };
  await startBackfill(temporal, { ...request, template: { ...request.template, bundle: code }, position });
  expect(await expired()).toBe(0);
  await changeBackfill(temporal, { env: 'dev', project: 'shop' }, 'cancel');
  await waitFor('the paused backfill to end and its code to expire', async () => (await expired()) === 1 || undefined, 30_000); // prettier-ignore

  await startBackfill(temporal, request);
  await expect(startBackfill(temporal, request)).rejects.toMatchObject({ code: 'BACKFILL_ALREADY_RUNNING' });
  const over = await waitFor(
    'the backfill to end',
    async () => {
      const progress = await backfillProgress(temporal, { env: 'dev', project: 'shop' });
      return progress?.state === 'over' ? progress : undefined;
    },
    60_000,
  );
  expect(over).toMatchObject({ status: 'completed', done: 2, failed: 0, left: 0 });
  expect((await intervals()).slice(2)).toEqual([-3, -4, -5, -6].map((offset) => ({ start: day(offset), state: 'done', claims: 1 }))); // prettier-ignore
}, 180_000);

it('one that was paused stays paused where Temporal has lost it', async () => {
  await write({ 'events.csv': 'day,units\n', 'sql/daily.sql': DAILY });
  const yearly = '{ load: 0 3 1 1 *, other: 0 3 1 1 * }';
  await apply(yearly);
  await temporal.client.schedule.getHandle('dev/shop/schedule/load').pause();
  await markPaused(test.database, { env: 'dev', project: 'shop' }, 'load', true);
  for (const name of ['load', 'other']) await temporal.client.schedule.getHandle(`dev/shop/schedule/${name}`).delete();
  expect((await listed('load')).state).toBe('gone');
  await apply(yearly);
  expect([(await listed('load')).state, (await listed('other')).state]).toEqual(['paused', 'active']);
}, 30_000);

import { createHmac } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { deliverAlerts } from '../../src/alerts/deliver-alerts.js';
import { checkAlerts } from '../../src/cli/database-checks.js';
import { Secret } from '../../src/config.js';
import { dueBefore, findMissed } from '../../src/alerts/find-missed.js';
import { watchAlerts } from '../../src/alerts/watch-alerts.js';
import type { ScheduleConfig } from '../../src/model/project.js';
import { parseInterval } from '../../src/model/parse-interval.js';
import { recordAlert } from '../../src/storage/alerts.js';
import { markCancelled } from '../../src/storage/runs.js';
import { markPaused, saveSchedule } from '../../src/storage/schedules.js';
import { createWorkbench, type Workbench } from '../activities/workbench.js';
import { startApiServer, type ApiServer } from '../support/api-server.js';

let bench: Workbench;
let receiver: ApiServer;
let statuses: number[] = [];
const bodies: string[] = [];
beforeAll(async () => {
  receiver = await startApiServer(async (request, response) => {
    bodies.push(await text(request));
    response.writeHead(statuses.shift() ?? 204).end();
  });
  bench = await createWorkbench({
    'plumbline.yaml':
      'name: shop\nsources: { sales: { path: a.csv } }\nalerts: { webhook: env:ALERT_URL, secret: env:ALERT_SECRET }\n',
    'a.csv': 'id\n1\n',
  });
});
afterEach(() => bench.test.database.execute('DELETE FROM plumbline.alerts; DELETE FROM plumbline.schedules'));
afterAll(async () => {
  await bench.destroy();
  await receiver.close();
});

const deliver = () =>
  deliverAlerts({
    database: bench.test.database,
    environment: { PLUMBLINE_PROJECT_ENV: '*', ALERT_URL: receiver.url, ALERT_SECRET: 'k3y' },
  });
const alerts = () => bench.test.database.query('SELECT kind, subject, attempts, delivered_at IS NOT NULL AS delivered, error FROM plumbline.alerts ORDER BY subject'); // prettier-ignore

it('a failed run is told of until somebody takes it: signed, with the same id, and once it is closed only', async () => {
  const { run } = await bench.open('run-1', ['elt'], { interval: parseInterval('2024-01-01/2024-01-02', 'UTC') });
  const error = { step: 'load:sales', code: 'ELT_FILE_MISSING', message: 'no file', next: 'Correct it.' };
  await bench.call('closeRun', { run, status: 'failed', error });
  await bench.call('closeRun', { run, status: 'failed', error });
  statuses = [500];
  expect(await deliver()).toBe(0);
  expect(await alerts()).toEqual([
    {
      kind: 'failed',
      subject: 'run-1',
      attempts: 1,
      delivered: false,
      error: 'the webhook of env:ALERT_URL answered 500',
    },
  ]);
  const databaseUrl = new Secret(bench.test.url);
  expect(await checkAlerts({ databaseUrl })).toMatchObject({
    ok: false,
    found: expect.stringMatching(
      /^1 not delivered since 20.*Z; the last error: the webhook of env:ALERT_URL answered 500$/,
    ) as string,
  });
  expect(await deliver()).toBe(0);
  expect(bodies).toHaveLength(1);
  await bench.test.database.execute('UPDATE plumbline.alerts SET next_try_at = now()');
  expect(await deliver()).toBe(1);
  expect(await checkAlerts({ databaseUrl })).toMatchObject({ ok: true });
  expect(await deliver()).toBe(0);

  expect(bodies[1]).toBe(bodies[0]);
  const body = JSON.parse(bodies[0]!) as Record<string, unknown>;
  expect(body).toMatchObject({
    kind: 'failed',
    env: 'dev',
    project: 'shop',
    run: 'run-1',
    interval: { start: '2024-01-01T00:00:00Z' },
    error: { step: 'load:sales', code: 'ELT_FILE_MISSING', message: 'no file' },
    next: 'Correct it.',
  });
  const { headers } = receiver.received[1]!;
  expect(headers['plumbline-event-id']).toBe(body['id']);
  const [, seconds, signature] = /^t=(\d+),v1=(\w+)$/.exec(String(headers['plumbline-signature']))!;
  expect(signature).toBe(createHmac('sha256', 'k3y').update(`${seconds}.${bodies[1]}`).digest('hex'));

  // A run that went well, and one that a person stopped with plumbline, are no news.
  for (const status of ['succeeded', 'cancelled'] as const) {
    const opened = await bench.open(`run-${status}`, ['elt']);
    await markCancelled(bench.test.database, opened.run.runId, 'ann');
    await bench.close(opened.run, status);
  }
  expect(await alerts()).toHaveLength(1);
});

it('a start that did not come is told of once: not when it ran, is paused, or had nothing to do', async () => {
  const { database } = bench.test;
  const config: ScheduleConfig = {
    name: 'load',
    cron: '0 3 * * *',
    timezone: 'Europe/Berlin',
    stages: ['load'],
    jitterMs: 0,
    overlap: 'skip',
    catchupMs: 0,
    pauseOnFailure: false,
  };
  const weekly = { ...config, cron: '0 0 * * 1' };
  expect(dueBefore(config, new Date('2024-03-31T02:00:00Z'))).toEqual(new Date('2024-03-31T01:00:00Z'));
  expect(dueBefore(weekly, new Date('2024-01-07T22:59:00Z'))).toEqual(new Date('2023-12-31T23:00:00Z'));
  expect(dueBefore({ ...config, everyMs: 900_000, cron: undefined }, new Date('2024-01-01T00:16:00Z'))).toEqual(new Date('2024-01-01T00:15:00Z')); // prettier-ignore

  const key = { env: 'dev', project: 'shop' };
  const alert = { webhook: 'env:ALERT_URL', on: ['missed' as const] };
  const save = (definition: ScheduleConfig, name: string) =>
    saveSchedule(database, key, {
      name,
      definition,
      bundle: 'b',
      since: 0,
      applied_by: 'ann',
      alerts: alert,
      root: '/',
    });
  await save(config, 'load');
  await save({ ...config, name: 'daily', interval: 'daily' }, 'daily');
  await save(config, 'paused');
  await database.execute(`UPDATE plumbline.schedules SET paused = name = 'paused', applied_at = '2020-01-01'`);
  await database.execute(
    `INSERT INTO plumbline.intervals (env, project, start_at, end_at, state, run_id)
     VALUES ('dev', 'shop', '2040-01-01T00:00:00+01', '2040-01-02T00:00:00+01', 'done', 'r')`,
  );
  // Nine minutes late is not late yet.
  await findMissed(database, new Date('2040-01-02T02:09:00Z'));
  expect((await alerts()).map((one) => one['subject'])).toEqual(['daily 2040-01-01T02:00:00.000Z', 'load 2040-01-01T02:00:00.000Z']); // prettier-ignore
  await database.execute('DELETE FROM plumbline.alerts');
  // What was given up is nothing to do either.
  await database.execute(
    `UPDATE plumbline.intervals SET state = 'skipped', skipped_by = 'ann', skip_reason = 'gone', skipped_at = now()`,
  );
  for (const minute of [11, 12]) await findMissed(database, new Date(`2040-01-02T02:${minute}:00Z`));
  expect((await alerts()).map((one) => one['subject'])).toEqual(['load 2040-01-02T02:00:00.000Z']);

  await database.execute('DELETE FROM plumbline.alerts');
  await database.execute(
    `INSERT INTO plumbline.runs (run_id, env, project, workflow_id, stages, bundle, status, started_by, started_at)
     VALUES ('r', 'dev', 'shop', 'w', '{elt}', 'b', 'succeeded', 'schedule load', '2040-01-02T02:00:01Z')`,
  );
  await findMissed(database, new Date('2040-01-02T02:12:00Z'));
  expect(await alerts()).toEqual([]);
  // Temporal's clock may be ahead of PostgreSQL's.
  await database.execute(`UPDATE plumbline.runs SET started_at = '2040-01-02T01:59:57Z'`);
  await findMissed(database, new Date('2040-01-02T02:12:00Z'));
  expect(await alerts()).toEqual([]);

  // One that failed has paused its schedule; from when somebody resumes it, starts are awaited again.
  await save({ ...config, pauseOnFailure: true }, 'load');
  await database.execute(
    `UPDATE plumbline.schedules SET applied_at = '2020-01-01'; UPDATE plumbline.runs SET status = 'failed', ended_at = '2020-01-02' WHERE run_id = 'r'`,
  );
  const ofLoad = async () => (await alerts()).filter((one) => String(one['subject']).startsWith('load'));
  await findMissed(database, new Date('2040-01-03T02:12:00Z'));
  expect(await ofLoad()).toEqual([]);
  // That there was nothing to do pauses nothing.
  await database.execute(`UPDATE plumbline.runs SET error = '{"code": "RUN_INTERVAL_DONE"}' WHERE run_id = 'r'`);
  await findMissed(database, new Date('2040-01-03T02:12:00Z'));
  expect(await ofLoad()).toHaveLength(1);
  await database.execute(`DELETE FROM plumbline.alerts; UPDATE plumbline.runs SET error = NULL WHERE run_id = 'r'`);
  await markPaused(database, key, 'load', false);
  await findMissed(database, new Date('2020-01-03T02:12:00Z'));
  await findMissed(database, new Date('2040-01-03T02:12:00Z'));
  expect(await ofLoad()).toMatchObject([{ subject: 'load 2040-01-03T02:00:00.000Z' }]);
});

const SCHEDULE = { definition: { name: 'load', everyMs: 3_600_000, timezone: 'UTC', stages: ['load'], jitterMs: 0, overlap: 'skip', catchupMs: 0, pauseOnFailure: false }, bundle: 'b', since: 0, applied_by: 'ann', root: '/' } as const; // prettier-ignore

it('a start in the hour that a change of clocks leaves out or repeats is not told of, the next one is', async () => {
  const { database } = bench.test;
  const alerts = { webhook: 'env:ALERT_URL', on: ['missed' as const] };
  const definition = { ...SCHEDULE.definition, cron: '30 2 * * *', everyMs: undefined, timezone: 'Europe/Berlin' };
  await saveSchedule(database, { env: 'prod', project: 'shop' }, { ...SCHEDULE, name: 'night', definition, alerts });
  await database.execute(`UPDATE plumbline.schedules SET applied_at = '2020-01-01'`);
  for (const now of ['2040-03-25T01:15:00Z', '2040-10-28T00:45:00Z', '2040-10-28T01:45:00Z'])
    await findMissed(database, new Date(now));
  expect(await database.query('SELECT subject FROM plumbline.alerts')).toEqual([]);
  // Three o'clock is there in either night, once.
  await saveSchedule(database, { env: 'dev', project: 'shop' }, { ...SCHEDULE, name: 'three', definition: { ...definition, cron: '0 3 * * *' }, alerts }); // prettier-ignore
  await database.execute(`UPDATE plumbline.schedules SET applied_at = '2020-01-01'`);
  for (const now of ['2040-03-25T01:15:00Z', '2040-10-28T02:15:00Z']) await findMissed(database, new Date(now));
  expect((await database.query('DELETE FROM plumbline.alerts RETURNING subject')).map(({ subject }) => subject).sort()).toEqual(['three 2040-03-25T01:00:00.000Z', 'three 2040-10-28T02:00:00.000Z']); // prettier-ignore
  await database.execute(`DELETE FROM plumbline.schedules WHERE name = 'three'`);
  await findMissed(database, new Date('2040-10-29T01:45:00Z'));
  expect(await database.query(`SELECT subject, payload->>'next' AS next FROM plumbline.alerts`)).toEqual([
    { subject: 'night 2040-10-29T01:30:00.000Z', next: 'See `plumbline schedule list --env prod` and `plumbline status`.' },
  ]); // prettier-ignore
});

it('a scheduled run that could not read its code is told of as the schedule says', async () => {
  const { database } = bench.test;
  const alert = { webhook: 'env:ALERT_URL', on: ['failed' as const] };
  await saveSchedule(database, { env: 'dev', project: 'shop' }, { ...SCHEDULE, name: 'load', alerts: alert });
  const bundle = { digest: 'd'.repeat(64), artifact: 'a'.repeat(64) };
  for (const [runId, startedBy] of [['scheduled', 'schedule load'], ['by hand', 'ann']] as const) {
    const run = await bench.ref(runId, { bundle });
    const opening = bench.call('openRun', { run, workflowId: 'w', stages: ['elt'], startedBy });
    await expect(opening).rejects.toMatchObject({ cause: { code: 'STORE_OBJECT_MISSING' } });
    await bench.call('closeRun', { run, status: 'failed', error: { code: 'STORE_OBJECT_MISSING', message: 'gone' } });
  }
  expect(await alerts()).toMatchObject([{ kind: 'failed', subject: 'scheduled' }]);
}); // prettier-ignore

it('receivers that do not answer keep no missed start from being seen', async () => {
  const { database } = bench.test;
  const silent = await startApiServer(() => {});
  const looking = watchAlerts({
    database,
    environment: { PLUMBLINE_PROJECT_ENV: '*', ALERT_URL: silent.url },
    ends: { ofRun: async () => undefined, ofDeployment: async () => undefined },
    onError: () => {},
  });
  try {
    const failed = { webhook: 'env:ALERT_URL', on: ['failed' as const] };
    for (const subject of ['1', '2', '3'])
      await recordAlert(database, { env: 'dev', project: 'shop', kind: 'failed', subject, payload: {}, config: failed, root: '/' }); // prettier-ignore
    await vi.waitFor(() => expect(silent.received.length).toBeGreaterThan(0), 10_000);
    const missed = { ...failed, on: ['missed' as const] };
    await saveSchedule(database, { env: 'dev', project: 'shop' }, { ...SCHEDULE, name: 'hourly', alerts: missed });
    await database.execute(`UPDATE plumbline.schedules SET applied_at = '2020-01-01'`);
    const kinds = () => database.query(`SELECT subject FROM plumbline.alerts WHERE kind = 'missed'`);
    await vi.waitFor(async () => expect(await kinds()).toHaveLength(1), { timeout: 12_000, interval: 200 });
  } finally {
    await looking.stop();
    await silent.close();
  }
}, 40_000);

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest';
import { findEnded } from '../../src/alerts/find-ended.js';
import { checkConnections, checkPooler, checkPostgres } from '../../src/cli/database-checks.js';
import { loadSettings } from '../../src/config.js';
import { connectServing } from '../../src/client/connect.js';
import { runWorker } from '../../src/worker.js';
import { CONNECTIONS } from '../../src/storage/connection-budget.js';
import { connectionUse } from '../../src/storage/connection-use.js';
import { openDatabase } from '../../src/storage/database.js';
import { assertSessions, findPooler } from '../../src/storage/find-pooler.js';
import { stampWorker } from '../../src/storage/workers.js';
import { createServingSite, eventually, type ServingSite } from '../serving/start-server.js';
import { startTestPooler, type TestPooler, type TestPoolerOptions } from '../setup/pooler.js';

let site: ServingSite;
let direct: string;
beforeAll(async () => {
  site = await createServingSite();
  direct = site.test.url;
});
afterAll(() => site.end());

const poolers: TestPooler[] = [];
const poolerOf = async (options?: TestPoolerOptions): Promise<string> => {
  const pooler = await startTestPooler(direct, options);
  poolers.push(pooler);
  return pooler.url;
};
beforeEach(() => poolers.splice(0));
afterEach(() => Promise.all(poolers.map((pooler) => pooler.close())));

describe('a pooler', () => {
  it('is told from PostgreSQL itself, by what it lends a connection for', async () => {
    expect(await findPooler(direct)).toBeUndefined();
    expect(await findPooler(await poolerOf({ mode: 'session' }))).toBe('session');
    expect(await findPooler(await poolerOf({ size: 1 }))).toBe('transaction');
    const wide = await poolerOf({ size: 5 });
    // Five connections lie ready: which one is lent is the pooler's choice.
    const database = openDatabase({ url: wide, max: 5 });
    await Promise.all([1, 2, 3, 4, 5].map(() => database.query('SELECT pg_sleep(0.05)')));
    expect(poolers.at(-1)!.size()).toBe(5);
    expect(await findPooler(wide)).toBe('transaction');
    // Nothing of the look is left on a connection that others are lent.
    expect(await database.query(`SELECT DISTINCT current_setting('plumbline.probe', true) AS left`)).not.toContainEqual(
      expect.objectContaining({ left: expect.stringMatching(/-/) as string }),
    );
    await database.close();
  });

  it('by the transaction is refused for what writes, before anything is written', async () => {
    const url = await poolerOf();
    await expect(assertSessions(url)).rejects.toMatchObject({
      code: 'PG_POOLER',
      terminal: true,
      next: expect.stringContaining('PLUMBLINE_DATABASE_DIRECT_URL') as string,
    });
    const env = { PLUMBLINE_DATABASE_URL: url };
    const settings = await loadSettings({ cwd: '/', env });
    await expect(runWorker({ settings, queues: ['default'] })).rejects.toMatchObject({ code: 'PG_POOLER' });
    await expect(assertSessions(await poolerOf({ mode: 'session' }))).resolves.toBeUndefined();
  });

  it('that refuses the settings of a start is named, whatever it says', async () => {
    const url = await poolerOf({ tracked: ['application_name', 'client_encoding'] });
    const database = openDatabase({ url });
    await expect(database.query('SELECT 1')).rejects.toMatchObject({
      code: 'PG_POOLER',
      message: expect.stringContaining('unsupported startup parameter') as string,
    });
    await database.close();
  });
});

describe('with PLUMBLINE_DATABASE_DIRECT_URL', () => {
  it('writers go to PostgreSQL, and serving through the pooler: every answer is logged once, in UTC', async () => {
    const env = { PLUMBLINE_DATABASE_URL: await poolerOf({ size: 2 }), PLUMBLINE_DATABASE_DIRECT_URL: direct };
    const settings = await loadSettings({ cwd: '/', env });
    expect(settings.databaseUrl!.reveal()).toBe(direct);
    await expect(assertSessions(settings.databaseUrl!.reveal())).resolves.toBeUndefined();
    await site.deploy('demand-v1.onnx');
    const database = connectServing(settings);
    // The zone holds on every connection that may be lent, though the server's own is another one.
    await site.test.database.execute(
      `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone TO ''Asia/Kathmandu''', current_database()); END $$`,
    );
    const zones = await Promise.all(
      Array.from({ length: 12 }, () => database.query(`SELECT pg_sleep(0.02), current_setting('TimeZone') AS zone`)),
    );
    expect(new Set(zones.flat().map((row) => row['zone']))).toEqual(new Set(['UTC']));
    const { url } = await site.serve({ database });
    const row = { temperature: 1, season: 'summer' };
    const answers = await Promise.all(Array.from({ length: 40 }, () => site.post(`${url}/models/demand/predict`, row)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const logged = await eventually(
      () => site.test.database.query<{ id: string }>('SELECT prediction_id::text AS id FROM plumbline.predictions'),
      (rows) => rows.length >= 40,
    );
    const given = answers.map(({ body }) => (body['prediction_ids'] as string[])[0]);
    expect(logged.map(({ id }) => id).sort()).toEqual(given.sort());
    expect(poolers[0]!.size()).toBeLessThanOrEqual(2);
    await site.closeServers();
    await database.close();
  });

  it('a server closes runs that were ended from outside, one after the other, on whichever connection it is lent', async () => {
    const env = { PLUMBLINE_DATABASE_URL: await poolerOf({ size: 2 }), PLUMBLINE_DATABASE_DIRECT_URL: direct };
    const database = connectServing(await loadSettings({ cwd: '/', env }));
    const ends = { ofRun: async () => 'TERMINATED', ofDeployment: async () => undefined };
    const busy = () => Promise.all([1, 2, 3].map(() => database.query('SELECT pg_sleep(0.05)')));
    for (const runId of ['one', 'two', 'three', 'four', 'five', 'six']) {
      await site.test.database.execute(
        `INSERT INTO plumbline.runs (run_id, env, project, workflow_id, stages, bundle, status, started_by)
         VALUES ($1, 'dev', 'shop', 'w', '{elt}', 'b', 'running', 'ann')`,
        [runId],
      );
      await Promise.all([busy(), findEnded(database, ends)]);
    }
    expect(await site.test.database.query(`SELECT DISTINCT status FROM plumbline.runs WHERE workflow_id = 'w'`)).toEqual([{ status: 'failed' }]); // prettier-ignore
    await database.close();
  });

  it('`doctor` tells which pooler it is, and compares the budget of connections with what is granted', async () => {
    const pooled = await poolerOf();
    const settingsOf = (env: Record<string, string>) => loadSettings({ cwd: '/', env });
    const alone = await settingsOf({ PLUMBLINE_DATABASE_URL: pooled });
    await expect(checkPostgres(alone)).rejects.toMatchObject({ code: 'PG_POOLER' });
    for (const pid of [1, 2, 3])
      await stampWorker(site.test.database, {
        id: `w${pid}`,
        host: 'here',
        pid,
        queues: ['default'],
        version: '1',
        store: { place: '/store', id: randomUUID() },
      });
    const both = await settingsOf({ PLUMBLINE_DATABASE_URL: pooled, PLUMBLINE_DATABASE_DIRECT_URL: direct });
    expect(await checkPostgres(both)).toMatchObject({ ok: true });
    expect(await checkPooler(both.pooledDatabaseUrl!)).toEqual({ ok: true, found: 'by the transaction, for serving' });
    const needed = 3 * CONNECTIONS.worker + CONNECTIONS.supervisor + CONNECTIONS.command;
    expect(await checkConnections(both)).toMatchObject({
      ok: true,
      found: expect.stringContaining(`at most ${needed} for 3 workers, 0 prediction servers and a command`) as string,
    });
    const use = await connectionUse(site.test.database);
    for (let pid = 4; pid <= Math.ceil(use.granted / CONNECTIONS.worker) + 1; pid++)
      await site.test.database.execute(
        `INSERT INTO plumbline.workers (worker_id, host, pid, queues, version) VALUES ($1, 'here', $2, '{default}', '1')`,
        [`w${pid}`, pid],
      );
    expect(await checkConnections(both)).toMatchObject({
      ok: false,
      next: expect.stringMatching(/^Raise max_connections of PostgreSQL by \d+, or run fewer workers\.$/) as string,
    });
  });
});

it('a statement waits its turn while all connections are at work, and says so when that takes too long', async () => {
  const patient = openDatabase({ url: direct, max: 2, connectTimeoutMs: 1_500 });
  const impatient = openDatabase({ url: direct, max: 1, connectTimeoutMs: 1_500, waitTimeoutMs: 1_500 });
  let giveBack = (): void => {};
  const isOver = new Promise<void>((resolve) => (giveBack = resolve));
  const sessions: Promise<void>[] = [];
  for (const database of [patient, patient, impatient])
    await new Promise<void>((lent) => {
      sessions.push(database.session(() => (lent(), isOver)));
    });
  const turns = [1, 2, 3].map(() => patient.query('SELECT 1 AS one'));
  await expect(impatient.query('SELECT 1')).rejects.toMatchObject({
    code: 'PG_BUSY',
    terminal: false,
    message: expect.stringContaining('all that this process may hold are at work') as string,
  });
  // By now the others have waited for longer than connecting may take.
  giveBack();
  expect(await Promise.all(turns)).toEqual([[{ one: 1 }], [{ one: 1 }], [{ one: 1 }]]);
  await Promise.all(sessions);
  await Promise.all([patient.close(), impatient.close()]);
});

import { Client, Connection } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApiServer } from '../support/api-server.js';
import { createStack, waitFor } from '../support/stack.js';
import { expectRefusal, openShop, type Shop } from './shop.js';

/** What the command line says of runs, on a real worker, PostgreSQL and Temporal. */
let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
  await shop.json(['up', '--no-serving']);
  await shop.json(['run', 'load']);
}, 180_000);
afterAll(() => shop?.destroy(), 60_000);

/** Does `work` while a lock keeps a load of the shop from publishing. */
async function whileHeldUp(work: () => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: (await shop.servers())['PLUMBLINE_DATABASE_URL']! });
  await client.connect();
  try {
    await client.query('BEGIN; LOCK TABLE shop_dev_raw.sales IN ACCESS SHARE MODE');
    await work();
  } finally {
    await client.end();
  }
}

const statusOf = async (runId: string): Promise<string | undefined> => {
  const [run] = await shop.query<{ status: string }>('SELECT status FROM plumbline.runs WHERE run_id = $1', [runId]);
  return run?.status;
};

const ended = (runId: string): Promise<string> =>
  waitFor(`run ${runId} to end`, async () => {
    const status = await statusOf(runId);
    return status === 'running' ? undefined : status;
  });

const newestRun = async (): Promise<string> => {
  const [run] = await shop.query<{ run_id: string }>(
    `SELECT run_id FROM plumbline.runs WHERE project = 'shop' ORDER BY started_at DESC LIMIT 1`,
  );
  return run!.run_id;
};

it('`run --json` that fails says which run it was and how much of it is kept', async () => {
  const changes = { 'sql/daily.sql': `SELECT nothing FROM {{ source('sales') }}\n` };
  const { code, stdout } = await shop.with(changes, ['run', '--json']);
  expect(code).toBe(1);
  const { runId, ...rest } = JSON.parse(stdout) as { runId: string };
  expect(rest).toMatchObject({
    error: { code: 'ELT_SQL_ERROR', step: 'transform:daily' },
    status: 'failed',
    kept: { done: 1, of: 8 },
  });
  expect(await statusOf(runId)).toBe('failed');
});

it('Ctrl-C with --json leaves the run alone and prints JSON', async () => {
  await whileHeldUp(async () => {
    const running = waitFor('a run', async () => {
      const [run] = await shop.query<{ run_id: string }>(`SELECT run_id FROM plumbline.runs WHERE status = 'running'`);
      return run?.run_id;
    });
    const { code, stdout, stderr } = await shop.plumbline(['run', 'load', '--force', '--json'], {
      interrupt: running.then(() => sleep(1_000)),
    });
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      runId: await running,
      workflowId: 'dev/shop/pipeline/latest',
      status: 'running',
      detached: true,
    });
    expect(await statusOf(await running)).toBe('running');
  });
  expect(await ended(await newestRun())).toBe('succeeded');
}, 60_000);

it('a run of another project on the same database is not found, and not retried or cancelled', async () => {
  const runId = await newestRun();
  const other = await createStack(shop.root);
  try {
    await writeFile(join(other.root, 'plumbline.yaml'), (await shop.file('plumbline.yaml')).replace('shop', 'cellar'));
    const env = { NO_COLOR: '1', ...(await shop.servers()) };
    for (const word of ['show', 'watch', 'retry', 'cancel']) {
      expectRefusal(await other.plumbline(['runs', word, runId.slice(0, 6)], { env }), {
        code: 'RUN_NOT_FOUND',
        says: `Looking for run ${runId.slice(0, 6)} of cellar found none`,
        next: 'plumbline runs list',
      });
    }
  } finally {
    await other.destroy();
  }
  expect(await newestRun()).toBe(runId);
}, 60_000);

it('--env looks at the runs of that environment only', async () => {
  const runId = await newestRun();
  const changes = { 'plumbline.yaml': `${await shop.file('plumbline.yaml')}environments: { prod: {} }\n` };
  expectRefusal(await shop.with(changes, ['runs', 'show', runId, '--env', 'prod']), {
    code: 'RUN_NOT_FOUND',
    says: `Looking for run ${runId} of shop in prod found none`,
    next: 'plumbline runs list',
  });
  expect((await shop.with(changes, ['runs', 'show', runId, '--env', 'dev'])).code).toBe(0);
});

it('a retry from another copy of the project reads the data the run read', async () => {
  const copy = await createStack(shop.root);
  try {
    await rm(join(copy.root, 'data'), { recursive: true });
    const env = { NO_COLOR: '1', ...(await shop.servers()) };
    const { code, stderr } = await copy.plumbline(['runs', 'retry', await newestRun()], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  } finally {
    await copy.destroy();
  }
  expect(
    await shop.query(`SELECT options->>'root' AS root FROM plumbline.runs WHERE run_id = $1`, [await newestRun()]),
  ).toEqual([{ root: shop.root }]);
}, 60_000);

/** Starts a run whose record cannot be written before `work` has gone on for a second. */
async function beforeItsRecord<T>(work: (runId: string) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: (await shop.servers())['PLUMBLINE_DATABASE_URL']! });
  await client.connect();
  try {
    await client.query('BEGIN; LOCK TABLE plumbline.runs IN SHARE ROW EXCLUSIVE MODE');
    const { runId } = await shop.json<{ runId: string }>(['run', 'load', '--force', '--detach']);
    const working = work(runId);
    await sleep(1_500);
    await client.query('ROLLBACK');
    return await working;
  } finally {
    await client.end();
  }
}

it('a run can be cancelled right after it was started', async () => {
  await whileHeldUp(async () => {
    const { code, stderr, runId } = await beforeItsRecord(async (runId) => ({
      ...(await shop.with({}, ['runs', 'cancel', runId])),
      runId,
    }));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(await ended(runId)).toBe('cancelled');
    expectRefusal(await shop.with({}, ['runs', 'cancel', runId]), {
      code: 'RUN_ENDED',
      says: `Cancelling run ${runId} failed: it ended already (cancelled)`,
      next: `plumbline runs show ${runId}`,
    });
  });
}, 60_000);

it('a run that ends by itself while it is to be cancelled has ended, and not from outside', async () => {
  const runId = 'feedbeef';
  const { ports } = await shop.state();
  await shop.query(
    `INSERT INTO plumbline.runs (run_id, env, project, workflow_id, stages, bundle, options, status, started_by)
     SELECT $1, env, project, workflow_id, stages, bundle, options, 'running', started_by FROM plumbline.runs
     WHERE project = 'shop' LIMIT 1`,
    [runId],
  );
  // A sign of life: else the worker, which looks for runs that ended in Temporal, might close it first.
  await shop.query(
    `INSERT INTO plumbline.leases (env, project, scope, holder, token, expires_at)
     SELECT env, project, 'test', run_id, 0, now() + interval '10 min' FROM plumbline.runs WHERE run_id = $1`,
    [runId],
  );
  // Whoever asks Temporal finds that the run has just closed.
  const close = `UPDATE plumbline.runs SET status = 'succeeded', ended_at = now() WHERE run_id = '${runId}'`;
  const door = createServer((incoming) => {
    const outgoing = connect(ports.temporal!, '127.0.0.1');
    for (const socket of [incoming, outgoing]) socket.on('error', () => {});
    void shop.query(close).then(() => incoming.pipe(outgoing).pipe(incoming));
  });
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
  try {
    const env = { TEMPORAL_ADDRESS: `127.0.0.1:${(door.address() as AddressInfo).port}` };
    expectRefusal(await shop.with({}, ['runs', 'cancel', runId], env), {
      code: 'RUN_ENDED',
      says: `Cancelling run ${runId} failed: it ended already (succeeded)`,
      next: `plumbline runs show ${runId}`,
    });
  } finally {
    door.close();
    await shop.query('DELETE FROM plumbline.leases WHERE holder = $1', [runId]);
    await shop.query('DELETE FROM plumbline.runs WHERE run_id = $1', [runId]);
  }
}, 60_000);

it('a run can be watched right after it was started', async () => {
  const { code, stdout, stderr } = await beforeItsRecord((runId) => shop.with({}, ['runs', 'watch', runId]));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('done in');
}, 60_000);

// Last: its run is no run that others can retry, as its server is gone.
it('the parameters of an address are in no history of Temporal and in no log of the worker', async () => {
  const secret = 's1gnature-7f3a';
  const api = await startApiServer((_request, response) => void response.end('day,units\n2024-01-01,1\n'));
  try {
    const signed = `  signed: { path: "${api.url}/a.csv?sig=${secret}", allow_private: true, primary_key: day }\n`;
    const yaml = (await shop.file('plumbline.yaml')).replace('sources:\n', `sources:\n${signed}`);
    const { code, stdout, stderr } = await shop.with({ 'plumbline.yaml': yaml }, ['run', 'load', '--select', 'signed', '--json']); // prettier-ignore
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { TEMPORAL_ADDRESS: address } = await shop.servers();
    const connection = await Connection.connect({ address: address! });
    let histories = '';
    for await (const { workflowId, runId } of new Client({ connection }).workflow.list())
      histories += readable(
        (await new Client({ connection }).workflow.getHandle(workflowId, runId).fetchHistory()).events,
      );
    await connection.close();
    const log = await readFile(join(shop.root, '.plumbline', 'logs', 'worker.log'), 'utf8');
    expect(histories).toContain(`${api.url}/a.csv?…`);
    expect([stdout, log, histories].filter((text) => text.includes(secret))).toEqual([]);
  } finally {
    await api.close();
  }
}, 60_000);

/** Events as text, their payloads decoded. */
function readable(events: unknown): string {
  return JSON.stringify(events, (key, value: unknown) =>
    key === 'data' && typeof value === 'string' ? Buffer.from(value, 'base64').toString() : value,
  );
}

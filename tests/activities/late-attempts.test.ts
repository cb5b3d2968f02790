import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import pg from 'pg';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createActivities } from '../../src/activities/index.js';
import { shortActivity } from '../../src/activities/short-activity.js';
import type { Database, Queryable, Session } from '../../src/model/database.js';
import { checkpointFor } from '../../src/storage/checkpoints.js';
import { connectionName } from '../../src/storage/connection-name.js';
import { beginStep } from '../../src/storage/run-steps.js';
import { createWorkbench, type Workbench } from './workbench.js';

// Attempts of a frozen worker: Temporal has given them up and scheduled later ones, and then the worker thaws.

let bench: Workbench;
beforeEach(async () => {
  bench = await createWorkbench({
    'plumbline.yaml': 'name: shop\nsources:\n  sales: { path: a.csv }\n',
    'a.csv': 'day,units\n2025-01-01,1\n',
  });
});
afterEach(() => bench.destroy());

const stepRow = async (): Promise<unknown> => {
  const [row] = await bench.test.database.query(
    `SELECT status, attempt FROM plumbline.run_steps WHERE step = 'extract:sales'`,
  );
  return row;
};
const scheduled = (currentAttemptScheduledTimestampMs: number) => ({ currentAttemptScheduledTimestampMs });

/** What a frozen process leaves: a connection in the middle of a transaction, with `lock` held. */
async function frozenConnection(name: string, lock: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: bench.test.url, application_name: name });
  client.on('error', () => {});
  await client.connect();
  await client.query('BEGIN');
  await client.query(lock);
  return client;
}

/** A database whose process freezes when a statement that contains `text` is done, until it thaws. */
function freezingAfter(database: Database, text: string) {
  const moments = new EventEmitter();
  const [frozen, thawed] = [once(moments, 'frozen'), once(moments, 'thawed')];
  const freezing =
    (on: Queryable): Queryable['execute'] =>
    async (statement, parameters, options) => {
      const count = await on.execute(statement, parameters, options);
      if (statement.includes(text)) {
        moments.emit('frozen');
        await thawed;
      }
      return count;
    };
  return {
    database: {
      ...database,
      execute: freezing(database),
      session: <T>(work: (session: Session) => Promise<T>) =>
        database.session((session) =>
          work(Object.assign(Object.create(session) as Session, { execute: freezing(session) })),
        ),
    } satisfies Database,
    frozen,
    thaw: () => moments.emit('thawed'),
  };
}

describe('a step', () => {
  it('that begins after a later attempt of it gives up and takes nothing from that one', async () => {
    const { run } = await bench.open('run-1');
    await bench.call('extractResource', { run, resource: 'sales' }, scheduled(20));
    const later = await frozenConnection(`${connectionName('run-1', 'extract:sales')}/2`, 'SELECT 1');
    await expect(bench.call('extractResource', { run, resource: 'sales' }, scheduled(10))).rejects.toMatchObject({
      type: 'TransientError',
      details: [{ code: 'RUN_STEP_SUPERSEDED' }],
    });
    expect(await stepRow()).toEqual({ status: 'succeeded', attempt: 1 });
    expect((await later.query('SELECT 1')).rowCount).toBe(1);
    await later.end();
  });

  it('of a run that is over is left as it was', async () => {
    const { run } = await bench.open('run-1');
    await bench.call('extractResource', { run, resource: 'sales' }, scheduled(10));
    await bench.test.database.execute(`UPDATE plumbline.runs SET status = 'succeeded'`);
    await expect(bench.call('extractResource', { run, resource: 'sales' }, scheduled(20))).rejects.toMatchObject({
      details: [{ code: 'RUN_STEP_SUPERSEDED' }],
    });
    expect(await stepRow()).toEqual({ status: 'succeeded', attempt: 1 });
  });

  it('begins in one statement, which waits for a locked row no longer than 2 s, and leaves nothing on the connection', async () => {
    await bench.open('run-1');
    const step = { runId: 'run-1', step: 'extract:sales', stage: 'elt', scheduledMs: 10, whileRunning: true };
    const frozen = await frozenConnection(
      'frozen',
      `UPDATE plumbline.runs SET status = 'running' WHERE run_id = 'run-1'`,
    );
    await bench.test.database.session(async (session) => {
      await expect(beginStep(session, step)).rejects.toMatchObject({ code: '55P03' });
      await frozen.query('ROLLBACK');
      expect(await beginStep(session, step)).toBe(1);
      expect(await session.query('SHOW lock_timeout')).toEqual([{ lock_timeout: '0' }]);
      await frozen.query('BEGIN');
      await frozen.query('SELECT 1 FROM plumbline.run_steps FOR UPDATE');
      await expect(beginStep(session, { ...step, scheduledMs: 20 })).rejects.toMatchObject({ code: '55P03' });
    });
    await frozen.end();
  });

  it('goes on although its former attempt was frozen while it holds the row that begins it', async () => {
    const { run } = await bench.open('run-1');
    await frozenConnection(
      `${connectionName('run-1', 'extract:sales')}/begin`,
      `INSERT INTO plumbline.run_steps (run_id, step, stage, position, status, attempt, scheduled_ms)
       VALUES ('run-1', 'extract:sales', 'elt', 1000, 'running', 1, 10)`,
    );
    await bench.call('extractResource', { run, resource: 'sales' }, scheduled(20));
    expect(await stepRow()).toEqual({ status: 'succeeded', attempt: 1 });
  });

  it('goes on although its former attempt was frozen in the transaction that ends it', async () => {
    const { run } = await bench.open('run-1');
    await bench.call('extractResource', { run, resource: 'sales' }, scheduled(10));
    await frozenConnection(
      `${connectionName('run-1', 'extract:sales')}/1`,
      `SELECT 1 FROM plumbline.run_steps WHERE step = 'extract:sales' FOR UPDATE`,
    );
    await bench.call('extractResource', { run, resource: 'sales' }, scheduled(20));
    expect(await stepRow()).toEqual({ status: 'succeeded', attempt: 2 });
  });

  it('saves a checkpoint only as the newest attempt', async () => {
    await bench.open('run-1');
    const { database } = bench.test;
    await database.execute(
      `INSERT INTO plumbline.run_steps (run_id, step, stage, position, status, attempt) VALUES ('run-1', 'train:x', 'training', 1, 'running', 2)`,
    );
    const by = { runId: 'run-1', step: 'train:x' };
    await checkpointFor(database, 'k', { ...by, attempt: 2 }).save(Buffer.from('new'));
    await checkpointFor(database, 'k', { ...by, attempt: 1 }).save(Buffer.from('old'));
    expect(String(await checkpointFor(database, 'k', { ...by, attempt: 2 }).load())).toBe('new');
  });
});

describe('opening a run', () => {
  const open = (info: { currentAttemptScheduledTimestampMs: number }, runId: string, run: object) =>
    bench.call(
      'openRun',
      { run: { ...run, runId } as never, workflowId: 'w', stages: ['elt'], startedBy: 'test' },
      info,
    );

  it('late, when a later attempt has opened it, sweeps nothing', async () => {
    const { run } = await bench.open('run-1');
    await open(scheduled(20), 'run-1', run);
    await bench.test.database.execute('CREATE TABLE shop_dev_stage.publish_7 (a int)');
    await expect(open(scheduled(10), 'run-1', run)).rejects.toMatchObject({ details: [{ code: 'RUN_LEASE_LOST' }] });
    expect(
      await bench.test.database.query(`SELECT to_regclass('shop_dev_stage.publish_7') IS NOT NULL AS there`),
    ).toEqual([{ there: true }]);
  });

  it('frozen as the first when it had inserted the run, sweeps nothing when a later attempt has opened it', async () => {
    const run = await bench.ref('run-1');
    const process = freezingAfter(bench.test.database, 'INSERT INTO plumbline.runs');
    const activities = createActivities({
      database: process.database,
      store: bench.store,
      cacheDir: join(bench.root, '.plumbline', 'cache'),
      threads: 1,
      log: pino({ level: 'silent' }),
    });
    const first = new MockActivityEnvironment(scheduled(10)).run(() =>
      activities.openRun({ run, workflowId: 'w', stages: ['elt'], startedBy: 'test' }),
    );
    await Promise.race([process.frozen, first]);
    await open(scheduled(20), 'run-1', run);
    await bench.test.database.execute('CREATE TABLE shop_dev_stage.publish_7 (a int)');
    process.thaw();
    await expect(first).rejects.toMatchObject({ details: [{ code: 'PG_CONNECTION_LOST' }] });
    expect(
      await bench.test.database.query(`SELECT to_regclass('shop_dev_stage.publish_7') IS NOT NULL AS there`),
    ).toEqual([{ there: true }]);
  });

  it('that is over does not take the lease', async () => {
    const { run } = await bench.open('run-1');
    await bench.close(run);
    await expect(open(scheduled(20), 'run-1', run)).rejects.toMatchObject({ details: [{ code: 'RUN_LEASE_LOST' }] });
    expect(await bench.test.database.query('SELECT holder FROM plumbline.leases')).toEqual([{ holder: '' }]);
  });

  it('goes on although a dead run is frozen with a hand on the lease', async () => {
    const { run } = await bench.open('run-1');
    await frozenConnection(
      `${connectionName('run-1', 'load:sales')}/1`,
      'SELECT 1 FROM plumbline.leases FOR KEY SHARE',
    );
    await bench.test.database.execute(`UPDATE plumbline.leases SET expires_at = now() - interval '1 s'`);
    await open(scheduled(20), 'run-2', run);
    expect(await bench.test.database.query('SELECT holder FROM plumbline.leases')).toEqual([{ holder: 'run-2' }]);
  });
});

describe('a short activity', () => {
  const failing = (info: object): Promise<unknown> =>
    new MockActivityEnvironment(info).run(() => shortActivity('close', () => Promise.reject(new Error('odd'))));

  it('is tried again after an unknown error however often its worker was killed', async () => {
    await expect(failing({ attempt: 9 })).rejects.toMatchObject({ nonRetryable: false });
  });

  it('is given up at the fourth unknown error of its own', async () => {
    await expect(failing({ attempt: 4, heartbeatDetails: { failures: 3 } })).rejects.toMatchObject({
      nonRetryable: true,
    });
  });
});

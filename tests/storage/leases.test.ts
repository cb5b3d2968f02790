import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { holdsLease, releaseLease, renewLease, takeFreeLease, takeLease } from '../../src/storage/leases.js';
import { beginStep, holdStep } from '../../src/storage/run-steps.js';
import { insertRun } from '../../src/storage/runs.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

let test: TestDatabase;
const key = { env: 'dev', project: 'p', scope: 'write' };
beforeAll(async () => void (test = await createTestDatabase()));
afterAll(() => test.drop());
beforeEach(() => test.database.execute('DELETE FROM plumbline.leases; DELETE FROM plumbline.runs'));

const expire = (): Promise<number> =>
  test.database.execute(`UPDATE plumbline.leases SET expires_at = now() - interval '1 s'`);

describe('a lease', () => {
  it('is held by one at a time', async () => {
    const all = await Promise.all(['a', 'b', 'c', 'd'].map((holder) => takeLease(test.database, key, holder, 30)));
    expect(all.filter((attempt) => attempt.held)).toHaveLength(1);
  });

  it('is taken again by its holder and refused to others until it expires', async () => {
    await takeLease(test.database, key, 'a', 30);
    expect(await takeLease(test.database, key, 'a', 30)).toEqual({ held: true });
    expect(await takeLease(test.database, key, 'b', 30)).toMatchObject({ held: false, holder: 'a' });
    await expire();
    expect(await takeLease(test.database, key, 'b', 30)).toEqual({ held: true, takenFrom: 'a' });
    expect(await renewLease(test.database, key, 'a', 30)).toBe(false);
  });

  it('remembers whom it was taken from until it is given back', async () => {
    await takeLease(test.database, key, 'a', 30);
    await expire();
    await takeLease(test.database, key, 'b', 30);
    // The new holder died before it had ended what the old one left open.
    expect(await takeLease(test.database, key, 'b', 30)).toEqual({ held: true, takenFrom: 'a' });
    await releaseLease(test.database, key, 'b');
    expect(await takeLease(test.database, key, 'c', 30)).toEqual({ held: true });
  });

  it('that was given back is taken in one statement, for a run in progress and waiting for nobody', async () => {
    const run = { run_id: 'b', env: 'dev', project: 'p', workflow_id: 'w', stages: [], bundle: 'x', options: {}, retry_of: null, started_by: 'test' }; // prettier-ignore
    const take = (): Promise<boolean> => takeFreeLease(test.database, key, 'b', 30);
    await insertRun(test.database, run);
    expect(await take()).toBe(false);
    await takeLease(test.database, key, 'a', 30);
    expect(await take()).toBe(false);
    await releaseLease(test.database, key, 'a');
    await test.database.transaction(async (session) => {
      await session.query('SELECT FROM plumbline.leases FOR UPDATE');
      expect(await take()).toBe(false);
    });
    expect(await take()).toBe(true);
    expect(await takeLease(test.database, key, 'b', 30)).toEqual({ held: true });
    await releaseLease(test.database, key, 'b');
    await test.database.execute(`UPDATE plumbline.runs SET status = 'succeeded'`);
    expect(await take()).toBe(false);
  });

  it('that is taken while a publication waits for the row of its step is not that publication’s any more', async () => {
    const { database } = test;
    const run = { env: 'dev', project: 'p', workflow_id: 'w', stages: [], bundle: 'x', options: {}, retry_of: null, started_by: 'test' }; // prettier-ignore
    const steps = { runId: 'a', step: 's', stage: 'elt', scheduledMs: 1, whileRunning: true };
    for (const run_id of ['a', 'b']) await insertRun(database, { ...run, run_id });
    await beginStep(database, steps);
    /** What `a` holds when it had to wait for its step, and `b` took the lease meanwhile. */
    const heldAfter = async (take: () => Promise<unknown>): Promise<unknown> => {
      await database.execute(`DELETE FROM plumbline.leases; UPDATE plumbline.runs SET status = 'running'`);
      expect(await takeLease(database, key, 'a', 30)).toEqual({ held: true });
      const held = await database.transaction(async (session) => {
        await session.execute(`UPDATE plumbline.run_steps SET progress = '{}'`);
        const waiting = database.transaction((own) => holdStep(own, { ...steps, attempt: 1 }, key));
        await expect.poll(() => database.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)).toHaveLength(1); // prettier-ignore
        await take();
        return { waiting };
      });
      return held.waiting;
    };
    const lost = { step: true, lease: false };
    expect(await heldAfter(() => expire().then(() => takeLease(database, key, 'b', 30)))).toEqual(lost);
    expect(await heldAfter(() => releaseLease(database, key, 'a').then(() => takeFreeLease(database, key, 'b', 30)))).toEqual(lost); // prettier-ignore
    expect(await heldAfter(() => renewLease(database, key, 'a', 30))).toEqual({ step: true, lease: true });
    await database.transaction(async (session) => {
      expect(await holdStep(session, { ...steps, attempt: 1 }, key)).toEqual({ step: true, lease: true });
      await expire();
      await Promise.all(
        [takeLease(database, key, 'b', 30), beginStep(database, { ...steps, scheduledMs: 2 })].map((taking) =>
          expect(taking).rejects.toMatchObject({ code: 'PG_BUSY' }),
        ),
      );
    });
  });

  it('closes the run of a holder that never did', async () => {
    const run = {
      env: 'dev',
      project: 'p',
      workflow_id: 'w',
      stages: [],
      bundle: 'x',
      options: {},
      retry_of: null,
      started_by: 't',
    };
    await insertRun(test.database, { run_id: 'a', ...run });
    await takeLease(test.database, key, 'a', 30);
    await expire();
    await takeLease(test.database, key, 'b', 30);
    const [row] = await test.database.query(
      `SELECT status, error ->> 'code' AS code FROM plumbline.runs WHERE run_id = 'a'`,
    );
    expect(row).toEqual({ status: 'failed', code: 'RUN_LEASE_LOST' });
  });

  it('cannot be taken while a transaction that proved it is open', async () => {
    await takeLease(test.database, key, 'a', 30);
    await expire();
    let taken: string | undefined;
    await test.database.transaction(async (session) => {
      expect(await holdsLease(session, key, 'a')).toBe(true);
      const taking = takeLease(test.database, key, 'b', 30).then(() => (taken = 'b'));
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(taken).toBeUndefined();
      void taking;
    });
    await expect.poll(() => taken).toBe('b');
  });
});

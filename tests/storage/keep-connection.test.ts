import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { tagDatabase } from '../../src/storage/database.js';
import { keepConnection, type KeptConnection } from '../../src/storage/keep-connection.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

let test: TestDatabase;
beforeAll(async () => void (test = await createTestDatabase()));
afterAll(() => test.drop());

const keepNamed = (name: string, idleMs?: number): KeptConnection =>
  keepConnection(tagDatabase(test.database, name), idleMs);
const pidOf = async ({ database }: KeptConnection): Promise<number> => {
  const [row] = await database.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return row!.pid;
};
const connected = async (name: string): Promise<number> =>
  (await test.database.query('SELECT FROM pg_stat_activity WHERE application_name = $1', [name])).length;

it('is lent once for one use after the other, and given back at the end', async () => {
  const own = keepNamed('own/1');
  const pid = await pidOf(own);
  expect(await pidOf(own)).toBe(pid);
  const pids = await Promise.all([1, 2, 3].map(() => own.database.session((session) => Promise.resolve(session.pid))));
  expect(new Set(pids).size).toBe(3);
  expect(await connected('own/1')).toBe(1);
  await own.release();
  expect(await connected('own/1')).toBe(0);
  await pidOf(own);
  expect(await connected('own/1')).toBe(0);
});

it('is replaced when it was ended while nothing used it, and not kept when something failed on it', async () => {
  const own = keepNamed('own/2');
  const pid = await pidOf(own);
  await test.database.query('SELECT pg_terminate_backend($1)', [pid]);
  await vi.waitFor(async () => expect(await connected('own/2')).toBe(0));
  await vi.waitFor(async () => expect(await pidOf(own)).not.toBe(pid));
  expect(await connected('own/2')).toBe(1);
  await expect(own.database.transaction((session) => session.query('SELECT 1/0'))).rejects.toThrow();
  expect(await connected('own/2')).toBe(0);
  await own.release();
});

it('is given back when it was idle for long, never while it is used', async () => {
  const own = keepNamed('own/3', 5);
  for (let use = 0; use < 50; use++) {
    // A use may begin just when the idle time ends.
    await new Promise((resolve) => setTimeout(resolve, (use % 5) + 3));
    await own.database.session(async (session) => {
      await session.query('SELECT pg_sleep(0.01)');
      const [row] = await session.query(`SELECT current_setting('application_name') AS name, pg_backend_pid() AS pid`);
      expect(row).toEqual({ name: 'own/3', pid: session.pid });
    });
  }
  await vi.waitFor(async () => expect(await connected('own/3')).toBe(0));
  await pidOf(own);
  await own.release();
  expect(await connected('own/3')).toBe(0);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { cancelOnAbort } from '../../src/model/cancel-on-abort.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

let test_: TestDatabase;
beforeAll(async () => {
  test_ = await createTestDatabase();
});
afterAll(() => test_.drop());

test('cancels the next statement when the abort comes between two, and leaves the connection usable', async () => {
  const controller = new AbortController();
  await test_.database.session(async (session) => {
    const work = async () => {
      await session.query('SELECT 1');
      controller.abort(new Error('stop'));
      await new Promise((resolve) => setTimeout(resolve, 100));
      await session.query('SELECT pg_sleep(30)');
    };
    await expect(cancelOnAbort(test_.database, session, controller.signal, work)).rejects.toThrow('stop');
    // Longer than a second cancel would need.
    await session.query('SELECT pg_sleep(0.8)');
  });
}, 20_000);

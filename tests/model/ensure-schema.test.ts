import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureSchema } from '../../src/model/ensure-schema.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

let test_: TestDatabase;
beforeAll(async () => {
  test_ = await createTestDatabase();
});
afterAll(() => test_.drop());

test('eight sessions that make one schema at once all succeed', async () => {
  for (let round = 0; round < 10; round++)
    await Promise.all(Array.from({ length: 8 }, () => ensureSchema(test_.database, `odd "name" ${round}`)));
  const made = await test_.database.query(`SELECT count(*)::int AS n FROM pg_namespace WHERE nspname ~ '^odd'`);
  expect(made).toEqual([{ n: 10 }]);
});

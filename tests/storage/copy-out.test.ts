import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
  await db.database.execute(`CREATE FUNCTION noisy(i int) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN
      IF i % 500 = 0 THEN RAISE NOTICE 'row %', i; END IF;
      RETURN repeat(chr(97 + i % 26), i % 300);
    END $$`);
});
afterAll(() => db.drop());

test('every row of a COPY arrives, between notices and at a slow reader, and the connection goes on', async () => {
  let text = '';
  const slow = new Writable({
    highWaterMark: 1,
    write(block: Buffer, _encoding, done) {
      text += block.toString('latin1');
      void sleep(1).then(() => done());
    },
  });
  const after = await db.database.session(async (session) => {
    await session.copyTo(
      `COPY (SELECT i, noisy(i) FROM generate_series(1, 20000) AS i) TO STDOUT (ENCODING 'UTF8')`,
      slow,
    );
    return session.query('SELECT 1 AS one');
  });
  const rows = Array.from({ length: 20_000 }, (_, index) => index + 1);
  const expected = rows.map((i) => `${i}\t${String.fromCharCode(97 + (i % 26)).repeat(i % 300)}\n`).join('');
  expect(text === expected).toBe(true);
  expect(after).toEqual([{ one: 1 }]);
});

test('an error in the middle of a COPY, and before it, is told as PostgreSQL tells it', async () => {
  const ignored = (): Writable => new Writable({ write: (_block, _encoding, done) => done() });
  const copy = (select: string): Promise<void> =>
    db.database.session((session) => session.copyTo(`COPY (${select}) TO STDOUT`, ignored()));
  await expect(copy('SELECT 1 / (50000 - i) FROM generate_series(1, 100000) AS i')).rejects.toMatchObject({
    code: '22012',
  });
  await expect(copy('SELECT * FROM nowhere')).rejects.toMatchObject({ code: '42P01' });
});

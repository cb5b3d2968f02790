import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assertSwappable } from '../../../src/elt/publish/assert-swappable.js';
import { swapTable } from '../../../src/elt/publish/swap-table.js';
import { openDatabase, type OpenDatabase } from '../../../src/storage/database.js';
import { createTestDatabase, type TestDatabase } from '../../setup/database.js';

const builder = `builder_${process.pid}`;
const reader = `analyst_${process.pid}`;
const staged = { schema: 'stage', name: 'demand__r1' };
const target = { schema: 'main', name: 'demand' };
let test_: TestDatabase;
let database: OpenDatabase;

beforeAll(async () => {
  test_ = await createTestDatabase();
  await test_.database.execute(`
    CREATE ROLE ${builder} LOGIN; CREATE ROLE ${reader} LOGIN;
    CREATE SCHEMA main AUTHORIZATION ${builder}; CREATE SCHEMA stage AUTHORIZATION ${builder}; CREATE SCHEMA other;
    GRANT USAGE ON SCHEMA main TO ${reader}; GRANT USAGE, CREATE ON SCHEMA other TO ${reader}`);
  database = openDatabase({ url: test_.url.replace('postgres@', `${builder}@`) });
  await database.execute(`CREATE TABLE main.demand AS SELECT 1 AS a; GRANT SELECT ON main.demand TO ${reader}`);
});
afterAll(async () => {
  await database.close();
  await test_.database.execute(
    `DROP OWNED BY ${builder}, ${reader} CASCADE; DROP ROLE ${builder}; DROP ROLE ${reader}`,
  );
  await test_.drop();
});

test('a role without any privilege but its own schemas swaps, and sees the old snapshots of other roles', async () => {
  const client = new pg.Client({ connectionString: test_.url.replace('postgres@', `${reader}@`) });
  await client.connect();
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
  await database.execute('CREATE TABLE stage.demand__r1 AS SELECT 2 AS a');
  await expect(swapTable(database, { staged, target, publishTimeoutMs: 200 })).rejects.toMatchObject({
    code: 'ELT_PUBLISH_TIMEOUT',
  });
  expect((await client.query('SELECT a FROM main.demand')).rows).toEqual([{ a: 1 }]);
  await client.query('COMMIT');
  await swapTable(database, { staged, target });
  expect((await client.query('SELECT a FROM main.demand')).rows).toEqual([{ a: 2 }]);
  await client.end();
});

test('a view of a role it does not belong to stops it before the build, by name', async () => {
  const client = new pg.Client({ connectionString: test_.url.replace('postgres@', `${reader}@`) });
  await client.connect();
  await client.query('CREATE VIEW other.theirs AS SELECT a FROM main.demand');
  await client.end();
  await expect(assertSwappable(database, target)).rejects.toMatchObject({
    code: 'ELT_SWAP_NOT_POSSIBLE',
    message: expect.stringContaining(`owner ${reader} of other.theirs`) as string,
  });
  await test_.database.execute(`DROP VIEW other.theirs`);
  await test_.database.execute(`ALTER TABLE main.demand OWNER TO postgres`);
  await expect(assertSwappable(database, target)).rejects.toMatchObject({
    code: 'ELT_SWAP_NOT_POSSIBLE',
    message: expect.stringContaining('owner postgres of main.demand') as string,
  });
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import pg from 'pg';
import { swapTable } from '../../../src/elt/publish/swap-table.js';
import { createTestDatabase, type TestDatabase } from '../../setup/database.js';

const SWAPS = 100;
const ROWS = 2_000;
let test_: TestDatabase;
const role = `reader_${process.pid}`;

beforeAll(async () => {
  test_ = await createTestDatabase();
  await test_.database.execute(`
    CREATE ROLE ${role} LOGIN;
    CREATE SCHEMA main; CREATE SCHEMA stage; GRANT USAGE, CREATE ON SCHEMA main TO ${role};
    CREATE TABLE main.demand AS SELECT i AS id, 0 AS version FROM generate_series(1, ${ROWS}) i;
    ALTER TABLE main.demand ADD PRIMARY KEY (id);
    GRANT SELECT ON main.demand TO ${role};
    ALTER TABLE main.demand ENABLE ROW LEVEL SECURITY;
    CREATE POLICY half ON main.demand TO ${role} USING (id <= ${ROWS / 2});
    CREATE VIEW main.inner_view AS SELECT id, version FROM main.demand;
    CREATE VIEW main.outer_view AS SELECT version FROM main.inner_view;
    GRANT SELECT ON main.outer_view TO ${role};
    SET ROLE ${role}; CREATE VIEW main.theirs AS SELECT version FROM main.demand; RESET ROLE`);
});
afterAll(async () => {
  await test_.database.execute(`DROP SCHEMA main, stage CASCADE; DROP OWNED BY ${role}; DROP ROLE ${role}`);
  await test_.drop();
});

interface Seen {
  readonly n: number;
  readonly low: number;
  readonly high: number;
}

type Read = (client: pg.Client) => Promise<Seen>;

const aggregate = (relation: string): pg.QueryConfig => ({
  text: `SELECT count(*)::int AS n, min(version) AS low, max(version) AS high FROM ${relation}`,
});
const once = async (client: pg.Client, query: pg.QueryConfig): Promise<Seen> =>
  (await client.query<Seen>(query)).rows[0]!;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const readers: readonly { readonly name: string; readonly user: string; readonly rows: number; readonly read: Read }[] =
  [
    { name: 'table', user: 'postgres', rows: ROWS, read: (client) => once(client, aggregate('main.demand')) },
    {
      name: 'view over a view',
      user: 'postgres',
      rows: ROWS,
      read: (client) => once(client, aggregate('main.outer_view')),
    },
    {
      name: 'prepared statement',
      user: 'postgres',
      rows: ROWS,
      read: (client) => once(client, { ...aggregate('main.inner_view'), name: 'prepared' }),
    },
    {
      name: 'row-level security',
      user: role,
      rows: ROWS / 2,
      read: (client) => once(client, aggregate('main.demand')),
    },
    {
      name: 'a view of another owner',
      user: 'postgres',
      rows: ROWS / 2,
      read: (client) => once(client, aggregate('main.theirs')),
    },
    {
      name: 'repeatable read, late first touch',
      user: 'postgres',
      rows: ROWS,
      read: async (client) => {
        await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
        await pause(50);
        const first = await once(client, aggregate('main.demand'));
        await pause(5);
        expect(await once(client, aggregate('main.outer_view'))).toEqual(first);
        await client.query('COMMIT');
        return first;
      },
    },
    {
      name: 'open cursor',
      user: 'postgres',
      rows: ROWS,
      read: async (client) => {
        await client.query('BEGIN; DECLARE c CURSOR FOR SELECT version FROM main.outer_view');
        const versions: number[] = [];
        for (let part = 0; part < 4; part++) {
          const { rows } = await client.query<{ version: number }>(`FETCH ${ROWS / 4} FROM c`);
          versions.push(...rows.map((row) => row.version));
          await pause(2);
        }
        await client.query('COMMIT');
        return { n: versions.length, low: Math.min(...versions), high: Math.max(...versions) };
      },
    },
  ];

test(`${SWAPS} swaps give continuous readers no error, no gap and no mix`, async () => {
  let isOver = false;
  const seen = readers.map(() => new Set<number>());
  const reading = readers.map(async ({ name, user, rows, read }, index) => {
    const client = new pg.Client({ connectionString: test_.url.replace('postgres@', `${user}@`) });
    await client.connect();
    let reads = 0;
    let newest = 0;
    try {
      while (!isOver || reads < 5) {
        const { n, low, high } = await read(client);
        expect({ name, n, mixed: low !== high, older: low < newest }).toEqual({
          name,
          n: rows,
          mixed: false,
          older: false,
        });
        newest = high;
        seen[index]!.add(high);
        reads++;
        await pause(1);
      }
    } finally {
      await client.end();
    }
    return reads;
  });
  const swapping = (async () => {
    for (let version = 1; version <= SWAPS; version++) {
      const staged = { schema: 'stage', name: `demand__${version}` };
      // Fewer rows in the first transaction: a reader of the stage's past would show.
      await test_.database.execute(
        `CREATE TABLE stage.demand__${version} AS SELECT i AS id, ${version} AS version FROM generate_series(1, 7) i`,
      );
      await test_.database.execute(
        `INSERT INTO stage.demand__${version} SELECT i, ${version} FROM generate_series(8, ${ROWS}) i`,
      );
      await swapTable(test_.database, { staged, target: { schema: 'main', name: 'demand' }, publishTimeoutMs: 20_000 });
    }
  })().finally(() => (isOver = true));
  const [reads] = await Promise.all([Promise.all(reading), swapping]);
  expect(Math.min(...reads)).toBeGreaterThan(4);
  // The test is worth something only if readers were at work between the swaps.
  expect(Math.max(...seen.map((versions) => versions.size))).toBeGreaterThan(SWAPS / 3);
  expect(await test_.database.query(`SELECT relname::text FROM pg_class WHERE relname ~ '^plumbline_|__'`)).toEqual([]);
}, 240_000);

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { LoadSummary } from '../../src/contracts/elt.js';
import { loadPostgres, type SourceObject } from '../../src/elt/postgres/load-postgres.js';
import type { Database } from '../../src/model/database.js';
import { parseInterval } from '../../src/model/parse-interval.js';
import { loadProject } from '../../src/project/load-project.js';
import { openDatabase, type OpenDatabase } from '../../src/storage/database.js';
import { recordErasure } from '../../src/storage/erasures.js';
import { startPostgres } from '../setup/global.js';
import { startStandby } from '../setup/standby.js';
import { createWorkbench, type Workbench } from './workbench.js';

// A server of its own: what the warehouse does there must be no transaction of the source.
let shop: { readonly url: string; readonly database: OpenDatabase };
let server: Awaited<ReturnType<typeof startPostgres>>;
let bench: Workbench;
let runs = 0;
beforeAll(async () => {
  server = await startPostgres();
  const { url } = server;
  shop = { url, database: openDatabase({ url }) };
  // Its ANALYZE is a transaction, too.
  await shop.database.execute('ALTER SYSTEM SET autovacuum TO off');
  await shop.database.query('SELECT pg_reload_conf()');
  process.env['TEST_SHOP_URL'] = url;
  bench = await createWorkbench({});
});
afterAll(async () => {
  await bench.destroy();
  await shop.database.close();
  await server.stop();
});
afterEach(() => bench.test.database.execute('DELETE FROM plumbline.leases'));

const yaml = (resources: Readonly<Record<string, string>>): string =>
  `name: shop\nsources:\n  shop:\n    type: postgres\n    connection: env:TEST_SHOP_URL\n    resources:\n${Object.entries(
    resources,
  )
    .map(([name, resource]) => `      ${name}: ${resource}\n`)
    .join('')}`;

async function load(
  resources: Readonly<Record<string, string>>,
  acceptAnomaly = false,
  days?: string,
): Promise<readonly LoadSummary[]> {
  await bench.write({ 'plumbline.yaml': yaml(resources) });
  const { run, plan } = await bench.open(`run-${++runs}`, ['elt'], { acceptAnomaly, ...ofDays(days) });
  const { loads } = await bench.elt(run, plan);
  await bench.close(run);
  return loads;
}

const ofDays = (days: string | undefined) => (days === undefined ? {} : { interval: parseInterval(days, 'Europe/Berlin') }); // prettier-ignore

const problem = (error: unknown): unknown => (error as { details?: unknown[] }).details?.[0];

/** SHA-256 of what COPY writes for a SELECT, as text. */
async function hashOf(database: Database, select: string): Promise<string> {
  const hash = createHash('sha256');
  const sink = new PassThrough().on('data', (chunk: Buffer) => hash.update(chunk));
  await database.session((session) => session.copyTo(`COPY (${select}) TO STDOUT`, sink));
  return hash.digest('hex');
}

describe('a table', () => {
  it('arrives without loss', async () => {
    await shop.database.execute(`CREATE TYPE mood AS ENUM ('low', 'high');
      CREATE DOMAIN price AS numeric(38,9) CHECK (value >= 0);
      CREATE TABLE kinds (id integer PRIMARY KEY, small smallint, big bigint, r real, d double precision, n numeric, p price, c char(5), v varchar(9), t text,
        b boolean, y bytea, u uuid, j jsonb, js json, dt date, tm time, ttz timetz, ts timestamp, tz timestamptz, i interval, a int[], m mood, ip inet, rng int4range, "Odd ""name" text, xmin_ text);
      INSERT INTO kinds VALUES
        (1, -32768, 9007199254740993, 0.1, 'NaN', 'NaN', 12345678901234567890123456789.123456789, 'ab', '', '', true, '\\x00ff', '6b1c1c52-7d3f-4f3b-9c1f-0a5c2b3d4e5f', '1', '{"b": 1,  "a": 1.0, "a": 2}',
          'infinity', '23:59:59.999999', '12:00+02', '-infinity', '2024-03-31 02:30+02', '1 year 2 mons 3 days 04:05:06.7', '{{1,NULL},{3,4}}', 'low', '::1/128', '[1,5)', '007', 'NULL'),
        (2, 32767, -9223372036854775808, 'Infinity', '-Infinity', 'Infinity', 0, 'abcde', 'NULL', E'tab\\tline\\nback\\\\slash', false, '', NULL, '"text"', 'null', '0044-03-15 BC', '24:00', NULL, '2024-01-01 00:00:00.000001', 'infinity', '-1 mons', '{}', 'high', '10.0.0.0/8', 'empty', '\\N', NULL),
        (3, NULL, NULL, NULL, 5e-324, 1e-20, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`);
    const [summary] = await load({ kinds: '{ table: kinds, primary_key: id }' });
    expect(summary).toMatchObject({ rowsRead: 3, rowsLoaded: 3, tableRows: 3 });
    const columns = `id, small, big, r::float8 AS r, d, n, p, c, v, t, b, y, u, j, js::text AS js, dt, tm, ttz::text AS ttz, ts, tz, i::text AS i, a::text AS a, m::text AS m, ip::text AS ip, rng::text AS rng, "Odd ""name", xmin_`;
    expect(await hashOf(bench.test.database, `SELECT ${columns} FROM shop_dev_raw.shop_kinds ORDER BY id`)).toBe(
      await hashOf(shop.database, `SELECT ${columns} FROM kinds ORDER BY id`),
    );
  });

  it('is read once while nothing changes in the source, and gives the same version for the same rows', async () => {
    await shop.database.execute(
      `CREATE TABLE orders AS SELECT i AS id, i * 2 AS units FROM generate_series(1, 1000) AS i`,
    );
    const resources = { orders: '{ table: orders, primary_key: id }' };
    const [first] = await load(resources);
    expect(await load(resources)).toEqual([first]);
    const status = `SELECT status FROM plumbline.run_steps WHERE run_id = $1 AND step = 'extract:shop.orders'`;
    expect(await bench.test.database.query(status, [`run-${runs}`])).toEqual([{ status: 'reused' }]);
    await shop.database.query('SELECT txid_current()');
    const [again] = await load(resources);
    expect(again!.objects[0]!.loadId).not.toBe(first!.objects[0]!.loadId);
    expect(again!.version).toBe(first!.version);
    await shop.database.execute('UPDATE orders SET units = 7 WHERE id = 500');
    const [changed] = await load(resources);
    expect(changed!.version).not.toBe(first!.version);
  });

  it('of which a part is on another server is read each time: nothing here tells what changes there', async () => {
    const file = join(tmpdir(), `plumbline-foreign-${process.pid}.csv`);
    await writeFile(file, '2,there\n', { mode: 0o644 });
    await shop.database.execute(`CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
      CREATE TABLE mixed (id integer, note text) PARTITION BY LIST (id); CREATE TABLE mixed_here PARTITION OF mixed FOR VALUES IN (1);
      CREATE FOREIGN TABLE mixed_there PARTITION OF mixed FOR VALUES IN (2) SERVER files OPTIONS (filename '${file}', format 'csv');
      INSERT INTO mixed_here VALUES (1, 'here')`);
    const resources = { mixed: '{ table: mixed, primary_key: id }' };
    const notes = async () => (await bench.test.database.query('SELECT note FROM shop_dev_raw.shop_mixed ORDER BY id')).map(({ note }) => note); // prettier-ignore
    await load(resources);
    expect(await notes()).toEqual(['here', 'there']);
    await writeFile(file, '2,changed\n');
    await load(resources);
    expect(await notes()).toEqual(['here', 'changed']);
    await rm(file);
  });

  it.each([', parallel: 2', ''])('is read under one snapshot%s, while rows move', async (parallel) => {
    // A row a page: three pieces of 16 MiB.
    await shop.database.execute(`DROP TABLE IF EXISTS moving;
      CREATE TABLE moving (id integer PRIMARY KEY, amount integer, note text) WITH (fillfactor = 10);
      INSERT INTO moving SELECT i, 1, repeat('x', 500) FROM generate_series(2, 5001) AS i`);
    let isOver = false;
    const mover = (async () => {
      // From the last piece to the first one.
      for (let id = 2; !isOver; id = id === 2_501 ? 2 : id + 1)
        await shop.database.execute(
          `UPDATE moving SET amount = amount + CASE WHEN id = ${id} THEN 1 ELSE -1 END, note = note || repeat('y', 900) WHERE id IN (${id}, ${5_003 - id})`,
        );
    })();
    const [summary] = await load({ moving: `{ table: moving, primary_key: id${parallel} }` });
    isOver = true;
    await mover;
    expect(summary).toMatchObject({ rowsRead: 5_000, rowsLoaded: 5_000, rowsDuplicate: 0 });
    const [sums] = await bench.test.database.query(
      'SELECT sum(amount)::int AS amount, count(DISTINCT id)::int AS ids, count(DISTINCT _row_number)::int AS numbers, max(_row_number >> 32) > 0 AS "inPieces" FROM shop_dev_raw.shop_moving',
    );
    expect(sums).toEqual({ amount: 5_000, ids: 5_000, numbers: 5_000, inPieces: true });
  });

  it('whose key repeats or is NULL keeps the last row and quarantines the others; empty, it leaves what is there', async () => {
    // There is nothing that it could take away.
    await shop.database.execute('CREATE TABLE empty (id integer PRIMARY KEY)');
    expect(await load({ empty: '{ table: empty }' })).toMatchObject([{ rowsRead: 0, tableRows: 0 }]);
    await shop.database.execute(
      `CREATE TABLE loose AS SELECT * FROM (VALUES (1, 'a'), (1, 'b'), (NULL, 'c'), (2, 'd')) AS v (id, note)`,
    );
    const resources = { loose: '{ table: loose, primary_key: id, max_rejected: 50% }' };
    expect(await load(resources)).toMatchObject([{ rowsRead: 4, rowsLoaded: 2, rowsRejected: 1, rowsDuplicate: 1 }]);
    const rows = 'SELECT id, note FROM shop_dev_raw.shop_loose ORDER BY id';
    expect(await bench.test.database.query(rows)).toEqual([{ id: '1', note: 'b' }, { id: '2', note: 'd' }]); // prettier-ignore
    await shop.database.execute('DELETE FROM loose');
    await expect(load(resources)).rejects.toMatchObject({ details: [{ code: 'ELT_SOURCE_EMPTY', terminal: true }] });
    expect(await bench.test.database.query(rows)).toHaveLength(2);
  });
});

describe('a query, a view, a partitioned table', () => {
  it('are read in one piece, by key, and by place', async () => {
    await shop.database.execute(`CREATE SCHEMA sales;
      CREATE TABLE sales.lines (id integer, day date, name text) PARTITION BY RANGE (day);
      CREATE TABLE sales.lines_1 PARTITION OF sales.lines FOR VALUES FROM (MINVALUE) TO ('2024-06-01');
      CREATE TABLE sales.lines_2 PARTITION OF sales.lines FOR VALUES FROM ('2024-06-01') TO (MAXVALUE);
      INSERT INTO sales.lines SELECT i, date '2024-01-01' + i % 366, 'n' || i FROM generate_series(1, 5000) AS i;
      CREATE VIEW sales.names AS SELECT name, count(*) AS n, array_agg(id) AS ids FROM sales.lines GROUP BY name`);
    const loads = await load({
      lines: '{ schema: sales, table: lines }',
      names: '{ schema: sales, table: names, primary_key: name, parallel: 3, columns: { ids: jsonb } }',
      days: '{ schema: sales, primary_key: day, query: "SELECT day, count(*) AS n FROM lines GROUP BY day ORDER BY n; " }',
    });
    expect(loads.map(({ rowsLoaded }) => rowsLoaded)).toEqual([5_000, 5_000, 366]);
    const { database } = bench.test;
    const lines = 'SELECT id, day, name FROM';
    expect(await hashOf(database, `${lines} shop_dev_raw.shop_lines ORDER BY id`)).toBe(await hashOf(shop.database, `${lines} sales.lines ORDER BY id`)); // prettier-ignore
    expect(await database.query(`SELECT ids FROM shop_dev_raw.shop_names WHERE name = 'n7'`)).toEqual([{ ids: [7] }]);
    expect(await database.query('SELECT sum(n)::int AS n FROM shop_dev_raw.shop_days')).toEqual([{ n: 5_000 }]);
  });
});

describe('what cannot be read', () => {
  const failing = async (resource: string): Promise<{ code: string; message: string; terminal: boolean }> => {
    const error: unknown = await load({ broken: resource }).catch((caught: unknown) => caught);
    await bench.test.database.execute('DELETE FROM plumbline.leases');
    return (error as { details: [{ code: string; message: string; terminal: boolean }] }).details[0];
  };
  const at = (url: string): void => void (process.env['TEST_SHOP_URL'] = url);
  afterEach(() => at(shop.url));

  it.each([
    ['{ table: ordrs }', 'ELT_PG_TABLE', /no table or view public\.ordrs; did you mean "orders"\?/],
    ['{ table: lines }', 'ELT_PG_TABLE', /schema sales has one of that name/],
    ['{ table: orders, primary_key: unit }', 'ELT_COLUMN_UNKNOWN', /no column "unit"; did you mean "units"\?/],
    ['{ query: SELECT 1 AS x; DROP TABLE orders }', 'ELT_PG_SQL', /syntax error/],
    ['{ query: DELETE FROM orders RETURNING id }', 'ELT_PG_SQL', /syntax error/],
    ['{ query: SELECT nextval(\'counted_id_seq\') AS x }', 'ELT_PG_SQL', /read-only transaction/],
    ['{ query: SELECT noone FROM orders }', 'ELT_PG_SQL', /column "noone" does not exist/],
    ['{ table: orders, columns: { units: date } }', 'ELT_PG_SQL', /cannot cast type integer to date/],
    ['{ table: orders, primary_key: id, cursor: { field: units } }', 'ELT_PG_CURSOR', /is bigint, expected timestamptz/],
  ])('%s: %s', async (resource, code, message) => {
    await shop.database.execute('CREATE TABLE IF NOT EXISTS counted (id serial)');
    expect(await failing(resource)).toMatchObject({ code, terminal: true, message: expect.stringMatching(message) as string });
  }); // prettier-ignore

  it('says so in words that hold no secret', async () => {
    const { database } = shop;
    await database.execute(`DROP ROLE IF EXISTS plumb_reader; CREATE ROLE plumb_reader LOGIN PASSWORD 'p%3cret' CONNECTION LIMIT 5;
      ALTER ROLE plumb_reader SET statement_timeout TO '150ms'`);
    const as = (change: (url: URL) => void): void => {
      const url = new URL(shop.url);
      change(url);
      at(url.href);
    };
    as((url) => ((url.username = 'plumb_reader'), (url.password = 'p%253cret')));
    const found = [
      await failing('{ table: orders }'),
      (await database.execute('GRANT SELECT ON orders TO plumb_reader'), await failing(`{ query: "SELECT pg_sleep(1)::text AS s" }`)),
      (at('mysql://me:p%3cret@db/x'), await failing('{ table: orders }')),
      (as((url) => (url.port = '1')), await failing('{ table: orders }')),
      (as((url) => (url.pathname = '/nowhere')), await failing('{ table: orders }')),
      (as((url) => (url.search = '?sslmode=require')), await failing('{ table: orders }')),
      (as((url) => (url.search = '?sslmode=verify-full&sslrootcert=/no/such.pem')), await failing('{ table: orders }')),
      (delete process.env['TEST_SHOP_URL'], await failing('{ table: orders }')),
    ]; // prettier-ignore
    expect(found.map(({ code, terminal }) => [code, terminal])).toEqual([
      ['ELT_PG_PERMISSION', true], ['ELT_PG_TIMEOUT', true], ['ELT_PG_URL', true], ['ELT_PG_UNREACHABLE', false],
      ['ELT_PG_LOGIN', true], ['ELT_PG_TLS', true], ['ELT_PG_TLS', true], ['ELT_SECRET_MISSING', true],
    ]); // prettier-ignore
    expect(found[6]!.message).toContain('/no/such.pem, which the database URL names, cannot be read');
    const kept = await bench.test.database.query(
      `SELECT string_agg(s::text, '') AS text FROM plumbline.run_steps AS s`,
    );
    expect(JSON.stringify([found, kept])).not.toMatch(/p%(25)?3cret|plumb_reader:|postgres@/);
    await database.execute('REVOKE ALL ON orders FROM plumb_reader; DROP ROLE plumb_reader');
  });
});

describe('a table that is read by interval', () => {
  const FIRST = '2024-01-01/2024-01-02';
  const ids = async (table: string) =>
    (await bench.test.database.query(`SELECT id FROM shop_dev_raw.shop_${table} ORDER BY id`)).map(({ id }) => Number(id)); // prettier-ignore

  it('gives the rows of each interval, which take the place of those that it had', async () => {
    await shop.database
      .execute(`CREATE TABLE visits (id integer PRIMARY KEY, at timestamptz, wall timestamp GENERATED ALWAYS AS (at AT TIME ZONE 'Europe/Berlin') STORED);
        INSERT INTO visits VALUES (1, '2023-12-31 22:59:59.999999Z'), (2, '2023-12-31 23:00Z'), (3, '2024-01-01 22:59:59.999999Z'), (4, '2024-01-01 23:00Z'), (5, NULL), (6, 'infinity')`);
    const resources = {
      visits: '{ table: visits, interval_column: at, primary_key: id }',
      walls: '{ query: "SELECT id, wall FROM visits", interval_column: wall, write: merge, primary_key: id }',
    };
    const days = (interval: string) => load(resources, false, interval);
    expect(await days(FIRST)).toMatchObject([{ rowsRead: 2, rowsLoaded: 2 }, { rowsRead: 2 }]);
    await days('2024-01-02/2024-01-03');
    expect([await ids('visits'), await ids('walls')]).toEqual([[2, 3, 4], [2, 3, 4]]); // prettier-ignore

    await shop.database.execute(
      `DELETE FROM visits WHERE id IN (2, 4); INSERT INTO visits VALUES (7, '2024-01-01 12:00Z')`,
    );
    await days(FIRST);
    // Of another day nothing is touched; what is merged is never taken away.
    expect([await ids('visits'), await ids('walls')]).toEqual([[3, 4, 7], [2, 3, 4, 7]]); // prettier-ignore
    await days(FIRST);
    const statuses = await bench.test.database.query('SELECT status FROM plumbline.run_steps WHERE run_id = $1 AND step = $2', [`run-${runs}`, 'load:shop.visits']); // prettier-ignore
    expect(statuses).toEqual([{ status: 'reused' }]);

    // A row that has moved is nowhere twice.
    await shop.database.execute(
      `INSERT INTO visits VALUES (8, '2024-01-02 12:00Z'); UPDATE visits SET at = '2024-01-02 13:00Z' WHERE id = 7`,
    );
    expect(await days('2024-01-02/2024-01-03').catch(problem)).toMatchObject({ code: 'ELT_KEY_REPEATED', message: expect.stringMatching(/id = 7 is in .*2024-01-01T.* and .*2024-01-02T/) as string }); // prettier-ignore
    expect(await ids('visits')).toEqual([3, 4, 7]);
    await bench.test.database.execute('DELETE FROM plumbline.leases');
    await days(FIRST);
    await days('2024-01-02/2024-01-03');
    expect(await ids('visits')).toEqual([3, 7, 8]);

    const { lines } = await bench.call('explainPlan', { run: await bench.ref('plan', ofDays(FIRST)) });
    expect(lines[0]).toMatchObject({ reason: `reads public.visits of env:TEST_SHOP_URL where at is in ${FIRST}` });
    expect(await bench.call('explainPlan', { run: await bench.ref('plan') }).catch(problem)).toMatchObject({ code: 'RUN_INTERVAL_NEEDED' }); // prettier-ignore
  });

  it.each([
    ['id', 'ELT_INTERVAL_COLUMN'],
    ['day', 'ELT_COLUMN_UNKNOWN'],
  ])('cannot go by %s', async (column, code) => {
    const failing = load({ odd: `{ table: visits, interval_column: ${column} }` }, false, FIRST);
    expect(await failing.catch(problem)).toMatchObject({ code, terminal: true });
  });
});

describe('a worker killed in the middle of a refresh', () => {
  it('leaves the old table; the next attempt goes on under the same rows, and begins anew under others', async () => {
    const resources = { kept: '{ table: kept, primary_key: id }' };
    await shop.database.execute(`CREATE TABLE kept (id integer PRIMARY KEY, amount integer, note text) WITH (fillfactor = 10);
      INSERT INTO kept SELECT i, 1, repeat('x', 500) FROM generate_series(1, 5000) AS i`);
    await load(resources);
    const sum = (): Promise<unknown[]> => bench.test.database.query('SELECT count(*)::int AS rows, sum(amount)::int AS amount FROM shop_dev_raw.shop_kept'); // prettier-ignore
    const before = await sum();
    for (const [isChanged, amount] of [[false, 10_000], [true, 25_000]] as const) {
      await shop.database.execute('UPDATE kept SET amount = 2');
      const { run } = await bench.open(`run-${++runs}`, ['elt']);
      const extracted = await bench.call('extractResource', { run, resource: 'shop.kept' });
      const { schemas, resources: all } = await loadProject({ root: bench.root });
      const object = extracted.objects[0] as SourceObject;
      const options = { env: 'dev', project: 'shop', schemas, resource: all[0]!, object, runId: run.runId, sourceName: 'the shop' };
      const env = { ...process.env, PLUMBLINE_FAILPOINTS: 'load.before-commit=kill@3', LOAD_PROCESS: JSON.stringify({ warehouse: bench.test.url, shop: shop.url, options }) };
      const child = spawn(process.execPath, ['--import', './tests/setup/typescript-loader.mjs', 'tests/elt/postgres/load-process.ts'], { env, stdio: 'inherit' });
      expect(await new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)))).toBe('SIGKILL');
      expect(await sum()).toEqual(before);
      if (isChanged) await shop.database.execute('UPDATE kept SET amount = 5');
      const source = openDatabase({ url: shop.url, startup: '' });
      const loaded = await loadPostgres({ ...options, database: bench.test.database, source });
      await source.close();
      expect([loaded.rowsLoaded, loaded.resumedFromRow > 1]).toEqual([5_000, !isChanged]);
      await bench.call('publishResource', { run, resource: 'shop.kept', loads: [{ ...loaded, notices: [] }] });
      await bench.close(run);
      expect(await sum()).toEqual([{ rows: 5_000, amount }]);
      before.splice(0, 1, { rows: 5_000, amount });
    }
    expect(await bench.test.database.query(`SELECT 1 FROM plumbline.load_pieces JOIN plumbline.loads USING (load_id) WHERE resource = 'shop.kept'`)).toEqual([]);
  }, 120_000); // prettier-ignore
});

/** A table of some pieces by place. */
async function manyPieces(table: string): Promise<void> {
  await shop.database.execute(`CREATE TABLE ${table} WITH (fillfactor = 10) AS SELECT i AS id, repeat('x', 500) AS note FROM generate_series(1, 5000) AS i`); // prettier-ignore
}

/** A run that has extracted the one resource of the source, and what loads it by hand. */
async function toLoad(name: string, resource: string) {
  await bench.write({ 'plumbline.yaml': yaml({ [name]: resource }) });
  const { run } = await bench.open(`run-${++runs}`, ['elt']);
  const { objects } = await bench.call('extractResource', { run, resource: `shop.${name}` });
  const { schemas, resources } = await loadProject({ root: bench.root });
  const source = openDatabase({ url: shop.url, startup: '' });
  return { run, source, options: { env: 'dev', project: 'shop', schemas, resource: resources[0]!, object: objects[0] as SourceObject, runId: run.runId, sourceName: 'the shop', source } }; // prettier-ignore
}

it('a stage that another attempt has begun is counted: a row that is lost there is not lost silently', async () => {
  await manyPieces('counted_rows');
  const { run, source, options: of } = await toLoad('counted_rows', '{ table: counted_rows }');
  const { database } = bench.test;
  const options = { ...of, database };
  const abort = new AbortController();
  const first = loadPostgres({ ...options, signal: abort.signal, onProgress: ({ rows }) => rows > 0 && abort.abort(new Error('stop')) }); // prettier-ignore
  await expect(first).rejects.toThrow('stop');
  const [begun] = await database.query<{ stage: string }>(`SELECT stage_table AS stage FROM plumbline.loads WHERE resource = 'shop.counted_rows'`); // prettier-ignore
  const stage = `"${of.schemas.stage}"."${begun!.stage}"`;
  expect(await database.execute(`DELETE FROM ${stage} WHERE id = (SELECT min(id) FROM ${stage})`)).toBe(1);
  await expect(loadPostgres(options)).rejects.toMatchObject({ code: 'ELT_ROW_COUNT', message: expect.stringMatching('5000 loaded.* 4999 are in the stage') as string }); // prettier-ignore
  await source.close();
  await bench.close(run);
});

it('further connections are no need: one of a former attempt that is frozen is ended, and none is waited for', async () => {
  await manyPieces('helped');
  const { run, source, options: of } = await toLoad('helped', '{ table: helped }');
  // For the writer alone.
  const database = openDatabase({ url: bench.test.url, max: 1 });
  const options = { ...of, database };
  const abort = new AbortController();
  const first = loadPostgres({ ...options, database: bench.test.database, signal: abort.signal, onProgress: ({ rows }) => rows > 0 && abort.abort(new Error('stop')) }); // prettier-ignore
  await expect(first).rejects.toThrow('stop');
  const [begun] = await database.query<{ stage: string }>(`SELECT stage_table AS stage FROM plumbline.loads WHERE resource = 'shop.helped'`); // prettier-ignore
  const never = new PassThrough();
  const frozen = bench.test.database
    .session((session) => session.copyFrom(`COPY "${of.schemas.stage}"."${begun!.stage}" (id) FROM STDIN`, never))
    .catch(() => 'ended');
  const isHeld = `SELECT 1 FROM pg_locks WHERE relation = to_regclass($1) AND mode = 'RowExclusiveLock'`;
  while ((await database.execute(isHeld, [`${of.schemas.stage}.${begun!.stage}`])) === 0);
  // Other rows: the stage is made anew.
  await shop.database.execute('UPDATE helped SET id = -id WHERE id = 1');
  expect((await loadPostgres(options)).rowsLoaded).toBe(5_000);
  expect(await frozen).toBe('ended');
  await source.close();
  await database.close();
  await bench.close(run);
}, 30_000);

it('a further connection that waits behind a change of the table ends no load; one that is cancelled has let the source go', async () => {
  await manyPieces('altered');
  const { run, source, options: of } = await toLoad('altered', '{ table: altered }');
  const options = { ...of, database: bench.test.database };
  const cancels = { asked: 0, under: 0 };
  const slow: Database = {
    ...source,
    async query(text, parameters, settings) {
      if (!text.includes('pg_cancel_backend')) return source.query(text, parameters, settings);
      cancels.under++;
      await new Promise((resolve) => setTimeout(resolve, 100 * ++cancels.asked));
      return source.query<never>(text, parameters, settings).finally(() => cancels.under--);
    },
  };
  const abort = new AbortController();
  const cut = loadPostgres({ ...options, source: slow, signal: abort.signal, onProgress: ({ rows }) => rows > 0 && abort.abort(new Error('stop')) }); // prettier-ignore
  await expect(cut).rejects.toThrow('stop');
  expect([cancels.asked > 1, cancels.under]).toEqual([true, 0]);

  // Other rows: the stage is made anew, however many pieces the one before had.
  await shop.database.execute('UPDATE altered SET id = -id WHERE id = 1');
  let altering: Promise<number> | undefined;
  let sessions = 0;
  const waiting = async (count: number): Promise<void> => {
    while ((await shop.database.query(`SELECT FROM pg_locks WHERE relation = 'altered'::regclass AND NOT granted`)).length < count); // prettier-ignore
  };
  const altered: Database = {
    ...source,
    async session(work) {
      if (++sessions > 1) {
        altering ??= shop.database.execute('ALTER TABLE altered ADD COLUMN more integer');
        await waiting(1);
        return source.session(work);
      }
      // The first one reads no row before another waits behind the change.
      return source.session((session) => {
        const copyTo: typeof session.copyTo = (...copy) => waiting(2).then(() => session.copyTo(...copy));
        return work(Object.assign(Object.create(session) as typeof session, { copyTo }));
      });
    },
  };
  expect((await loadPostgres({ ...options, source: altered })).rowsLoaded).toBe(5_000);
  expect(sessions).toBeGreaterThan(1);
  await altering;
  await source.close();
  await bench.close(run);
}, 60_000);

it('a load that is given fewer connections than it wants says so, and why', async () => {
  await manyPieces('limited');
  await shop.database.execute('CREATE ROLE plumb_limited LOGIN CONNECTION LIMIT 1; GRANT SELECT ON limited TO plumb_limited'); // prettier-ignore
  process.env['TEST_SHOP_URL'] = shop.url.replace(/\/\/[^@]*@/, '//plumb_limited@');
  const [summary] = await load({ limited: '{ table: limited }' }).finally(() => (process.env['TEST_SHOP_URL'] = shop.url)); // prettier-ignore
  expect(summary).toMatchObject({ rowsLoaded: 5_000 });
  const said = await bench.test.database.query(`SELECT step, content FROM plumbline.run_logs WHERE run_id = 'run-${runs}'`); // prettier-ignore
  expect(JSON.stringify(said)).toMatch(/"load:shop.limited#public.limited".*reads over fewer than \d connections: .*too many connections for role/); // prettier-ignore
  await shop.database.execute('REVOKE ALL ON limited FROM plumb_limited; DROP ROLE plumb_limited');
  // Nobody else has one: it wants more than there are.
  await load({ wide: '{ query: "SELECT g AS id FROM generate_series(1, 1000) AS g", primary_key: id, parallel: 16 }' });
  const [wide] = await bench.test.database.query<{ content: string }>(`SELECT content FROM plumbline.run_logs WHERE run_id = 'run-${runs}'`); // prettier-ignore
  expect(wide!.content).toContain('reads over fewer than 16 connections: a worker has 12 further ones');
});

it('a load that is cancelled ends its statement in the source', async () => {
  const { source, options } = await toLoad('slow', '{ query: "SELECT pg_sleep(120)::text AS slept" }');
  const abort = new AbortController();
  const loading = loadPostgres({ ...options, database: bench.test.database, signal: abort.signal }).catch((error: unknown) => error); // prettier-ignore
  const running = (): Promise<unknown[]> => shop.database.query(`SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY%pg_sleep%' AND pid <> pg_backend_pid()`); // prettier-ignore
  await expect.poll(running, { timeout: 20_000 }).toHaveLength(1);
  abort.abort(new Error('enough'));
  expect(await loading).toMatchObject({ message: 'enough' });
  await expect.poll(running, { timeout: 20_000 }).toEqual([]);
  await source.close();
});

describe('a cursor', () => {
  const now = '2024-05-01 12:00:00.000001+00';
  const rows = (): Promise<unknown[]> => bench.test.database.query('SELECT id, note FROM shop_dev_raw.shop_events ORDER BY id'); // prettier-ignore
  const resources = { events: '{ table: events, primary_key: id, cursor: { field: at, lag: 1h } }' };
  const asked = (): Promise<unknown[]> => bench.test.database.query(`SELECT unit FROM plumbline.extracts WHERE resource = 'shop.events' ORDER BY extract_id DESC LIMIT 1`); // prettier-ignore

  it('loses no tie, over a crash either, counts late rows and those without, and is not moved by a wrong clock', async () => {
    await shop.database.execute(`CREATE TABLE events (id integer PRIMARY KEY, at timestamptz, note text); CREATE INDEX ON events (at);
      INSERT INTO events VALUES (1, '2024-05-01 10:00+00', 'a'), (2, '${now}', 'b'), (3, NULL, 'c'), (4, 'infinity', 'd'), (5, '2999-01-01', 'e')`);
    const [first] = await load(resources);
    // 2999 is later than now: the state is the time of asking, the real rows' one behind it is to come.
    expect(first).toMatchObject({ tableRows: 5, extract: { cursor: { rowsLate: 0, rowsWithout: 2 } } });
    expect(Date.parse(first!.extract!.cursor!.to!)).toBeLessThanOrEqual(Date.now());
    await bench.test.database.execute(`UPDATE plumbline.cursors SET value = '${now}'`);
    await shop.database.execute(`DELETE FROM events WHERE id = 5; INSERT INTO events VALUES (6, '${now}', 'tie'), (7, '2024-05-01 11:30+00', 'late'), (8, '2024-05-01 10:59:59+00', 'too late'), (9, NULL, 'none')`);
    process.env['PLUMBLINE_FAILPOINTS'] = 'load.before-commit=error,publish.before-commit=error';
    await expect(load(resources)).rejects.toThrow('failpoint');
    await bench.test.database.execute('DELETE FROM plumbline.leases');
    await expect(load(resources)).rejects.toThrow('failpoint');
    delete process.env['PLUMBLINE_FAILPOINTS'];
    await bench.test.database.execute('DELETE FROM plumbline.leases');
    const [second] = await load(resources);
    expect(second).toMatchObject({ tableRows: 8, extract: { cursor: { field: 'at', from: now, to: now, rowsLate: 1, rowsWithout: 3 } } });
    expect(await asked()).toEqual([{ unit: `at from 2024-05-01T11:00:00.000001Z to ${now}` }]);
    expect((await rows()).map((row) => (row as { note: string }).note)).toEqual(['a', 'b', 'c', 'd', 'e', 'tie', 'late', 'none']);
    // The lag brings rows again; as long as they are what is there, nothing downstream is made anew.
    await shop.database.query('SELECT txid_current()');
    const [third] = await load(resources);
    expect(third!.version).toBe(second!.version);
    await shop.database.execute(`UPDATE events SET note = 'changed' WHERE id = 6`);
    expect((await load(resources))[0]!.version).not.toBe(second!.version);
  }); // prettier-ignore

  it('of transactions reads what was written since, however late it was committed', async () => {
    const byTransaction = { written: '{ table: written, primary_key: id, cursor: { xmin: true } }' };
    const ids = (): Promise<unknown[]> => bench.test.database.query('SELECT id, _load_id AS load FROM shop_dev_raw.shop_written ORDER BY id'); // prettier-ignore
    await shop.database.execute('CREATE TABLE written (id integer PRIMARY KEY); INSERT INTO written VALUES (1)');
    await shop.database.session(async (late) => {
      await late.execute('BEGIN; INSERT INTO written VALUES (2)');
      await shop.database.execute('INSERT INTO written VALUES (3)');
      const [first] = await load(byTransaction);
      expect(first).toMatchObject({ rowsRead: 2, tableRows: 2 });
      await late.execute('COMMIT');
    });
    await shop.database.execute('VACUUM FREEZE written');
    expect((await load(byTransaction))[0]).toMatchObject({ rowsRead: 2, tableRows: 3 });
    // Nothing new but the row that is asked for again: row 1 is not.
    const loads = (await ids()).map((row) => (row as { load: string }).load);
    expect(loads[0]).not.toBe(loads[1]);
    await bench.test.database.execute(`UPDATE plumbline.cursors SET value = '99999999999' WHERE field = 'xmin'`);
    expect((await load(byTransaction))[0]).toMatchObject({ rowsRead: 3 });
    // That of another server is not kept: until this one has come so far, what it writes would be behind it.
    const [state] = await bench.test.database.query<{ isOwn: boolean }>(`SELECT value::bigint < 99999999999 AS "isOwn" FROM plumbline.cursors WHERE field = 'xmin'`); // prettier-ignore
    expect(state).toEqual({ isOwn: true });
  });

  it('goes on from where a full refresh ends: a table that was made anew may count from its beginning', async () => {
    const numbered = yaml({ numbered: '{ table: numbered, primary_key: id, cursor: { field: id, type: integer } }' });
    await bench.write({ 'plumbline.yaml': numbered });
    const refresh = async (force: boolean): Promise<LoadSummary> => {
      const { run, plan } = await bench.open(`run-${++runs}`, ['elt'], { force });
      const [summary] = (await bench.elt(run, plan)).loads;
      await bench.close(run);
      return summary!;
    };
    await shop.database.execute(`CREATE TABLE numbered (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text);
      INSERT INTO numbered (note) SELECT 'old' FROM generate_series(1, 100)`);
    await refresh(false);
    await shop.database.execute(
      `TRUNCATE numbered RESTART IDENTITY; INSERT INTO numbered (note) VALUES ('new'), ('new')`,
    );
    expect(await refresh(true)).toMatchObject({ rowsRead: 2, extract: { cursor: { to: '2', rowsLate: 0 } } });
    await shop.database.execute(`INSERT INTO numbered (note) VALUES ('new')`);
    expect(await refresh(false)).toMatchObject({ rowsLoaded: 3, extract: { cursor: { from: '2', to: '3' } } });
    const [news] = await bench.test.database.query(`SELECT count(*)::int AS rows FROM shop_dev_raw.shop_numbered WHERE note = 'new'`); // prettier-ignore
    expect(news).toEqual({ rows: 3 });
  });

  it('of transactions is refused where a part of the table is on another server, whose rows tell of none', async () => {
    const { port, hostname } = new URL(shop.url);
    await shop.database
      .execute(`CREATE EXTENSION postgres_fdw; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '${hostname}', port '${port}', dbname 'postgres');
      CREATE USER MAPPING FOR CURRENT_USER SERVER elsewhere OPTIONS (user 'postgres');
      CREATE TABLE remote_part (id integer); CREATE TABLE parted (id integer) PARTITION BY RANGE (id); CREATE TABLE parted_here PARTITION OF parted FOR VALUES FROM (0) TO (9);
      CREATE FOREIGN TABLE parted_there PARTITION OF parted FOR VALUES FROM (10) TO (19) SERVER elsewhere OPTIONS (table_name 'remote_part')`);
    await shop.database.execute('INSERT INTO parted VALUES (1), (11)');
    const parted = { parted: '{ table: parted, primary_key: id, cursor: { xmin: true } }' };
    await expect(load(parted)).rejects.toMatchObject({ details: [{ code: 'ELT_PG_CURSOR', terminal: true }] });
  });

  it('is planned without asking', async () => {
    await bench.write({ 'plumbline.yaml': yaml({ ...resources, lines: '{ schema: sales, table: lines, parallel: 4 }' }) });
    const { run } = await bench.open(`run-${++runs}`, ['elt']);
    process.env['TEST_SHOP_URL'] = 'postgres://127.0.0.1:1/none';
    const { lines } = await bench.call('explainPlan', { run });
    process.env['TEST_SHOP_URL'] = shop.url;
    expect(lines.map(({ reason }) => reason)).toEqual([
      `reads public.events of env:TEST_SHOP_URL from at 2024-05-01T11:00:00.000001Z on; cursor at is at ${now}`,
      'reads sales.lines of env:TEST_SHOP_URL whole, under one snapshot, over 4 connections',
    ]);
  }); // prettier-ignore
});

describe('what a table may become', () => {
  /** One row as a text each, in the order of its columns. */
  const texts = async (table: string, columns: string): Promise<string[]> =>
    (
      await bench.test.database.query<{ row: string }>(
        `SELECT concat_ws(' ', ${columns}) AS row FROM shop_dev_raw.shop_${table} ORDER BY ${columns}`,
      )
    ).map(({ row }) => row);
  const states = (table: string): Promise<string[]> =>
    texts(table, `id, v, CASE WHEN _valid_to IS NULL THEN 'now' ELSE 'ended' END`);
  const refused = async (resource: string, table = 'kept_to'): Promise<unknown> => {
    const error: unknown = await load({ [table]: resource }).catch((caught: unknown) => caught);
    await bench.test.database.execute('DELETE FROM plumbline.leases');
    return (error as { details: [unknown] }).details[0];
  };

  it('follows its merge strategy', async () => {
    await shop.database.execute(`CREATE TABLE staff (id integer PRIMARY KEY, team integer, v text, left_at date);
      INSERT INTO staff VALUES (1, 1, 'a', NULL), (2, 1, 'a', NULL), (3, 2, 'a', NULL), (4, 2, 'a', '2024-01-01')`);
    const resources = {
      staff: '{ table: staff, primary_key: id, merge: { strategy: scd2, hard_delete: left_at } }',
      teams: '{ table: staff, merge: { strategy: delete-insert, key: team } }',
      here: '{ table: staff, primary_key: id, merge: { hard_delete: left_at } }',
    };
    await load(resources);
    await shop.database.execute(
      `UPDATE staff SET v = 'b' WHERE id = 1; DELETE FROM staff WHERE id = 2; UPDATE staff SET left_at = '2024-02-02' WHERE id = 3`,
    );
    await load(resources);
    expect(await states('staff')).toEqual(['1 a ended', '1 b now', '2 a ended', '3 a ended']);
    expect(await texts('teams', 'team, id')).toEqual(['1 1', '2 3', '2 4']);
    // An upsert is told of deletions by the mark only.
    expect(await texts('here', 'id, v')).toEqual(['1 b', '2 a']);
    expect(await refused('{ table: staff, primary_key: id, merge: { hard_delete: gone_at } }')).toMatchObject({
      code: 'ELT_COLUMN_UNKNOWN',
      message: expect.stringContaining('no column "gone_at"') as string,
    });
  });

  it('keeps to its contract', async () => {
    await shop.database.execute(`CREATE TABLE contracted (id integer PRIMARY KEY, price numeric(9,2), old text);
      INSERT INTO contracted VALUES (1, 1.50, 'x'), (2, NULL, 'y')`);
    const of = (contract: string, more = ''): string => `{ table: contracted, primary_key: id, contract: { ${contract} }${more} }`;
    expect(await refused(of('tables: freeze'))).toMatchObject({ code: 'ELT_CONTRACT', message: expect.stringContaining('`contract.tables` is freeze') as string });
    await load({ kept_to: of('columns: freeze, types: freeze') });
    await shop.database.execute('ALTER TABLE contracted ADD COLUMN tip text, ADD COLUMN note text');
    await shop.database.execute(`UPDATE contracted SET tip = 'big' WHERE id = 2`);
    expect(await refused(of('columns: freeze'))).toMatchObject({ code: 'ELT_CONTRACT', message: expect.stringContaining('it has column "tip", "note"') as string });
    const [dropped] = await load({ kept_to: of('columns: discard_value, types: freeze') });
    expect(dropped).toMatchObject({ rowsLoaded: 2, notices: ['shop.kept_to: 1 value of column tip was dropped by its contract'] });
    expect(await texts('kept_to', 'id, price, old')).toEqual(['1 1.50 x', '2 y']);
    await shop.database.execute('ALTER TABLE contracted ALTER price TYPE numeric(12,4)');
    expect(await refused(of('types: freeze, columns: discard_value'))).toMatchObject({ code: 'ELT_CONTRACT', message: expect.stringContaining('column "price" is numeric(12,4), and numeric(9,2) in the table') as string });
    await load({ kept_to: of('types: freeze, columns: discard_value', ", columns: { price: 'numeric(9,2)' }") });
    await shop.database.execute('ALTER TABLE contracted DROP old');
    expect(await refused(of('columns: discard_value'))).toMatchObject({ code: 'ELT_CONTRACT', message: expect.stringContaining('it has no column "old"') as string });
    expect([...(await load({ kept_to: of('types: evolve') }))[0]!.notices!].sort()).toEqual(['shop.kept_to: columns that are gone: old', 'shop.kept_to: column price is numeric(12,4) now, it was numeric(9,2)', 'shop.kept_to: new columns: tip, note'].sort());
  }); // prettier-ignore

  it('says once which columns are gone from the source of rows that are merged', async () => {
    await shop.database.execute(`CREATE TABLE renamed (id integer PRIMARY KEY, at timestamptz, post boolean); INSERT INTO renamed VALUES (1, '2024-01-01', true)`);
    const resources = { renamed: '{ table: renamed, primary_key: id, cursor: { field: at, lag: 0s } }' };
    await load(resources);
    await shop.database.execute(`ALTER TABLE renamed RENAME post TO mail; INSERT INTO renamed VALUES (2, '2024-01-02', true)`);
    expect([...(await load(resources))[0]!.notices!].sort()).toEqual(['shop.renamed: columns that are gone from the source, and keep their values: post', 'shop.renamed: new columns: mail']);
    await shop.database.execute(`INSERT INTO renamed VALUES (3, '2024-01-03', true)`);
    expect((await load(resources))[0]!.notices ?? []).toEqual([]);
  }); // prettier-ignore

  it('takes the values one by one where the source has another type: what does not fit exactly is quarantined or left out', async () => {
    await shop.database.execute(`CREATE TABLE measured (id integer PRIMARY KEY, amount numeric(38,9), units text, whole double precision, part numeric(9,2), seen timestamptz,
        j jsonb, scalar jsonb, tags text[], near bigint, c char(5), old timestamp, y bytea, note text);
      INSERT INTO measured VALUES
        (1, 12.5, ' 7 ', 1e15, 30.00, '2024-01-01Z', '5', '5', '{a,NULL}', 9007199254740992, 'ab', '0044-03-15 BC', '\\x00ff', E'tab\\tline\\nback\\\\slash'),
        (2, 12.345, '8', 1, 1, NULL, '"t"', '6', '{}', 1, '', 'infinity', '', '\\N'),
        (3, 'NaN', '9223372036854775807', -4, -5, '-infinity', 'null', '-0', NULL, NULL, NULL, '12024-01-01', NULL, ''),
        (4, NULL, '9223372036854775808', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (5, 10000000000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (6, NULL, 'n/a', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (7, NULL, NULL, 'Infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (8, NULL, NULL, NULL, 30.01, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (9, NULL, NULL, NULL, NULL, '2024-01-01 01:00Z', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (10, NULL, NULL, NULL, NULL, NULL, NULL, '"5"', NULL, NULL, NULL, NULL, NULL, 'kept'),
        (11, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 9007199254740993, NULL, NULL, NULL, NULL)`);
    const declared = 'columns: { amount: "numeric(12,2)", units: bigint, whole: bigint, part: bigint, seen: date, j: text, scalar: bigint, tags: jsonb, near: double precision }';
    const of = (types: string): string => `{ table: measured, primary_key: id, max_rejected: 100%, contract: { types: ${types} }, ${declared} }`;
    const [rows, nulls] = await load({ rows: of('discard_row'), nulls: of('discard_value') });
    expect(rows).toMatchObject({ rowsRead: 11, rowsLoaded: 2, rowsRejected: 9 });
    const columns = 'id, amount, units, whole, part, seen, j, scalar, tags, near, c, old, y, note';
    const asDeclared = `id::bigint, amount::numeric(12,2), units::bigint, whole::bigint, part::bigint, seen::date, j::text, scalar::bigint, to_jsonb(tags), near::float8, c, old, y, note`;
    expect(await hashOf(bench.test.database, `SELECT ${columns} FROM shop_dev_raw.shop_rows ORDER BY id`)).toBe(
      await hashOf(shop.database, `SELECT ${asDeclared} FROM measured WHERE id IN (1, 3) ORDER BY id`));
    const { loadId } = rows!.objects[0]!;
    expect(await bench.test.database.query('SELECT row_number::int AS row, file, column_name AS "column", value FROM plumbline.rejects WHERE load_id = $1 ORDER BY 1', [loadId])).toEqual(
      [[2, 'amount', '12.345000000'], [4, 'units', '9223372036854775808'], [5, 'amount', '10000000000.000000000'], [6, 'units', 'n/a'], [7, 'whole', 'Infinity'],
       [8, 'part', '30.01'], [9, 'seen', '2024-01-01 01:00:00+00'], [10, 'scalar', '"5"'], [11, 'near', '9007199254740993']].map(([row, column, value]) => ({ row, file: 'public.measured', column, value })));
    expect(nulls).toMatchObject({ rowsRead: 11, rowsLoaded: 11, rowsRejected: 0 });
    expect([...nulls!.notices!].sort()).toEqual([...['near', 'part', 'scalar', 'seen', 'whole'].map((name) => `shop.nulls: 1 value of column ${name} was dropped by its contract`),
      ...['amount', 'units'].map((name) => `shop.nulls: 2 values of column ${name} were dropped by its contract`)]);
    expect(await texts('nulls', `id, scalar, note`)).toContain('10 kept');

    // Tried again, rows are those of a file: a type that holds the amounts lets them in, and a double is the nearest one.
    await bench.write({ 'plumbline.yaml': yaml({ rows: of('discard_row').replace('(12,2)', '(38,9)') }) });
    const { run } = await bench.open(`run-${++runs}`, ['elt'], { rejects: { loadId, resource: 'shop.rows' } });
    expect(await bench.call('retryRejects', { run })).toMatchObject({ tableRows: 5, retried: { accepted: 3, rejected: 6 } });
    await bench.close(run);
    expect(await texts('rows', 'id, amount, c, note')).toEqual(['1 12.500000000 ab    tab\tline\nback\\slash', '2 12.345000000       \\N', '3 NaN ', '5 10000000000.000000000', '11']);
  }); // prettier-ignore

  it('checks many pieces over several connections, goes on behind them, and ends early when too many rows are refused', async () => {
    // A row a page: three pieces; texts in the source that the table has as numbers.
    await shop.database.execute(`CREATE TABLE wide (id text PRIMARY KEY, v integer, at timestamptz, note text) WITH (fillfactor = 10);
      INSERT INTO wide SELECT i, i, timestamptz '2024-01-01' + i * interval '1 second', repeat('x', 500) FROM generate_series(1, 5000) AS i`);
    const of = (more: string): Record<string, string> => ({ wide: `{ table: wide, primary_key: id, parallel: 2, contract: { types: discard_row }, columns: { id: bigint }${more} }` });
    const resource = of(', max_rejected: 20%');
    expect(await load(resource)).toMatchObject([{ rowsLoaded: 5_000, rowsRejected: 0 }]);
    await shop.database.execute(`ALTER TABLE wide ALTER v TYPE text; UPDATE wide SET v = CASE WHEN id::int % 10 = 0 THEN 'none' ELSE '0' || v END`);
    process.env['PLUMBLINE_FAILPOINTS'] = 'load.after-copy=error@3';
    await expect(load(resource)).rejects.toThrow('failpoint');
    delete process.env['PLUMBLINE_FAILPOINTS'];
    await bench.test.database.execute('DELETE FROM plumbline.leases');
    const [kept] = await bench.test.database.query(`SELECT (SELECT count(*)::float8 FROM plumbline.rejects WHERE load_id = l.load_id) = rows_rejected AND rows_rejected > 0 AS fits FROM plumbline.loads AS l ORDER BY load_id DESC LIMIT 1`);
    expect(kept).toEqual({ fits: true });
    const [resumed] = await load(resource);
    expect(resumed).toMatchObject({ rowsRead: 5_000, rowsLoaded: 4_500, rowsRejected: 500 });
    const total = 'SELECT sum(v)::int AS v, count(DISTINCT _row_number)::int AS numbers FROM shop_dev_raw.shop_wide';
    expect(await bench.test.database.query(total)).toEqual([{ v: 11_250_000, numbers: 4_500 }]);
    // One text more for a number that is there: the later row is kept, as of every key.
    await shop.database.execute(`UPDATE wide SET v = '1' WHERE v = 'none'; INSERT INTO wide VALUES ('0004999', '7', '2024-01-02', '')`);
    expect(await load(resource)).toMatchObject([{ rowsRead: 5_001, rowsLoaded: 5_000, rowsDuplicate: 1 }]);
    await shop.database.execute(`UPDATE wide SET v = 'none'`);
    expect(await refused(of('').wide!, 'wide')).toMatchObject({ code: 'ELT_TOO_MANY_REJECTS', message: expect.stringMatching(/of its 5001 rows were refused/) as string });
    const [failed] = await bench.test.database.query(`SELECT status, rows_rejected < 5000 AS early FROM plumbline.loads ORDER BY load_id DESC LIMIT 1`);
    expect(failed).toEqual({ status: 'failed', early: true });
    expect(await bench.test.database.query(total)).toMatchObject([{ numbers: 5_000 }]);
    expect(await refused(of(', merge: upsert, deletes: reconcile').wide!, 'wide')).toMatchObject({ code: 'ELT_CONTRACT', message: expect.stringContaining('its key column "id" is text, and bigint in the table') as string });
  }, 60_000); // prettier-ignore

  it('follows a cursor past rows that do not fit, and takes no row with a value in a new column', async () => {
    await shop.database.execute(`CREATE TABLE sensors (id integer PRIMARY KEY, v integer, at timestamptz); INSERT INTO sensors VALUES (1, 1, '2024-01-01'), (2, 2, '2024-01-02')`);
    const of = (columns: string): Record<string, string> => ({ sensors: `{ table: sensors, primary_key: id, cursor: { field: at, lag: 0s }, max_rejected: 90%, contract: { types: discard_row, columns: ${columns} } }` });
    await load(of('evolve'));
    await shop.database.execute(`ALTER TABLE sensors ALTER v TYPE text, ADD COLUMN tip text;
      INSERT INTO sensors VALUES (3, '3', '2024-01-03', NULL), (4, 'hot', '2024-01-04', NULL), (5, '5', '2024-01-05', 'new')`);
    // Row 2 ties with the state.
    expect(await load(of('discard_row'))).toMatchObject([{ rowsRead: 4, rowsLoaded: 2, rowsRejected: 2, tableRows: 3 }]);
    expect(await texts('sensors', 'id, v')).toEqual(['1 1', '2 2', '3 3']);
    await shop.database.execute(`INSERT INTO sensors VALUES (6, '6', '2024-01-06', 'new')`);
    const [next] = await load(of('discard_value'));
    expect(next).toMatchObject({ rowsRead: 2, rowsLoaded: 2, notices: ['shop.sensors: 2 values of column tip were dropped by its contract'] });
    expect(await texts('sensors', 'id, v')).toEqual(['1 1', '2 2', '3 3', '5 5', '6 6']);
  }); // prettier-ignore

  it('loses the rows that the source no longer has, and none for want of an answer', async () => {
    await shop.database
      .execute(`CREATE TABLE live (id integer, part smallint, at timestamptz, v text, PRIMARY KEY (id, part)) WITH (fillfactor = 10);
      INSERT INTO live SELECT i, i % 2, timestamptz '2024-01-01' - i * interval '1 minute', repeat('x', 500) FROM generate_series(1, 6000) AS i`);
    const live = (more = ''): Readonly<Record<string, string>> => ({
      live: `{ table: live, primary_key: [part, id], cursor: { field: at, lag: 1h }, deletes: reconcile${more} }`,
      history: `{ table: live, primary_key: [id, part], merge: scd2, deletes: reconcile${more} }`,
    });
    await load(live());
    await shop.database.execute(
      `DELETE FROM live WHERE id <= 1000; INSERT INTO live VALUES (7001, 1, '2024-01-02', 'new'); UPDATE live SET part = 5 WHERE id = 6000`,
    );
    // Between two transactions of keys the attempt ends; the next one takes nothing for gone that it has not asked for.
    process.env['PLUMBLINE_FAILPOINTS'] = 'load.mid-copy=error@3';
    await expect(load(live())).rejects.toThrow();
    delete process.env['PLUMBLINE_FAILPOINTS'];
    await bench.test.database.execute('DELETE FROM plumbline.leases');
    const before = `SELECT count(*)::int AS rows FROM shop_dev_raw.shop_live`;
    expect(await bench.test.database.query(before)).toEqual([{ rows: 6000 }]);
    const [rows, history] = await load(live());
    // Row 6000 has another key, and is not new to the cursor.
    expect(rows).toMatchObject({ tableRows: 5_000, notices: ['shop.live: 1001 rows that the source no longer has were deleted', 'shop.live: 1 row of the source is not in the table: raise `lag` of its cursor, and load once with --force'] }); // prettier-ignore
    expect(history).toMatchObject({ tableRows: 6_002, notices: ['shop.history: 1001 rows that the source no longer has were closed'] }); // prettier-ignore
    const [keys] = await bench.test.database.query(
      `SELECT array_agg(DISTINCT id) FILTER (WHERE id <= 1000 OR id >= 6000)::text AS ids, count(*)::int AS rows FROM shop_dev_raw.shop_history WHERE _valid_to IS NULL`,
    );
    expect(keys).toEqual({ ids: '{6000,7001}', rows: 5_001 });
    const orphans = `SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'shop_dev_stage' AND relname LIKE '%keys'`;
    expect(await bench.test.database.query(orphans)).toEqual([]);

    await shop.database.execute('DELETE FROM live');
    await expect(load(live())).rejects.toMatchObject({ details: [{ code: 'ELT_SOURCE_EMPTY', terminal: true }] });
    await bench.test.database.execute('DELETE FROM plumbline.leases');
    expect(await load(live(', allow_empty: true'))).toMatchObject([{ tableRows: 0 }, { tableRows: 6_002 }]);
  }, 60_000);

  it('tells of rows that the cursor has passed by, not of those that it was not to ask for', async () => {
    await shop.database.execute(`CREATE TABLE passed (id integer PRIMARY KEY, at timestamptz);
      INSERT INTO passed VALUES (1, '2023-06-01Z'), (2, '2024-06-01Z'), (3, NULL)`);
    const resource =
      '{ table: passed, primary_key: id, cursor: { field: at, initial: 2024-01-01 }, deletes: reconcile }';
    const [first] = await load({ passed: resource });
    expect(first).toMatchObject({ tableRows: 2, notices: [] });
    // While the load is under way a row comes that is the next one's.
    const { run, source, options } = await toLoad('passed', resource);
    await shop.database.execute(`INSERT INTO passed VALUES (4, '2024-07-01Z'), (5, '2024-05-01Z'), (6, NULL)`);
    const loaded = await loadPostgres({ ...options, database: bench.test.database });
    await source.close();
    const { extractId } = options.object;
    const published = await bench.call('publishResource', { run, resource: 'shop.passed', loads: [{ ...loaded, notices: [] }], extractId }); // prettier-ignore
    await bench.close(run);
    expect(published).toMatchObject({ tableRows: 3, notices: ['shop.passed: 1 row of the source is not in the table: raise `lag` of its cursor, and load once with --force'] }); // prettier-ignore
    expect((await load({ passed: resource }))[0]).toMatchObject({ tableRows: 4 });
  });

  it('publishes what an earlier version has read, with keys that do not say which rows were asked for', async () => {
    await shop.database.execute(`CREATE TABLE former (id integer PRIMARY KEY, at timestamptz);
      INSERT INTO former VALUES (1, '2024-06-01Z'), (2, '2024-06-02Z')`);
    const resource = '{ table: former, primary_key: id, cursor: { field: at }, deletes: reconcile }';
    await load({ former: resource });
    await shop.database.execute(`DELETE FROM former WHERE id = 1; INSERT INTO former VALUES (3, '2024-06-03Z')`);
    const { run, source, options } = await toLoad('former', resource);
    const loaded = await loadPostgres({ ...options, database: bench.test.database });
    await source.close();
    await bench.test.database.execute(`ALTER TABLE shop_dev_stage.load_${loaded.loadId}_keys DROP COLUMN " asked"`);
    const { extractId } = options.object;
    const published = await bench.call('publishResource', { run, resource: 'shop.former', loads: [{ ...loaded, notices: [] }], extractId }); // prettier-ignore
    await bench.close(run);
    expect(published).toMatchObject({ tableRows: 2, notices: ['shop.former: 1 row that the source no longer has was deleted'] }); // prettier-ignore
  });

  it('does not tell of the rows of a forgotten key, which no load brings back', async () => {
    await shop.database.execute(`CREATE TABLE people (id integer PRIMARY KEY, at timestamptz);
      INSERT INTO people VALUES (1, '2024-06-01Z'), (2, '2024-06-02Z'), (3, '2024-06-03Z')`);
    const resource = '{ table: people, primary_key: id, cursor: { field: at }, deletes: reconcile }';
    const personal = { people: `${resource}\npersonal: { person: { sources: { shop.people: id } } }` };
    await load(personal);
    const scope = { env: 'dev', project: 'shop', key: 'person', erasureId: 'gone' };
    await recordErasure(bench.test.database, { ...scope, value: '2', dryRun: false, requestedBy: 'me', reason: 'asked' }); // prettier-ignore
    const { env, project, bundle, root, searchAttributes } = await bench.ref('none');
    // Runs that failed on purpose before are none to wait for.
    await bench.test.database.execute(`UPDATE plumbline.runs SET status = 'failed' WHERE status = 'running'`);
    await bench.call('forgetKey', { env, project, bundle, root, searchAttributes, erasureId: 'gone', key: 'person' });
    expect((await load(personal))[0]).toMatchObject({ tableRows: 2, notices: [] });
  });

  it('has child tables of its lists, whatever type they have, whose rows go with those that are gone', async () => {
    await shop.database
      .execute(`CREATE TABLE carts (id integer PRIMARY KEY, lines jsonb, extra json, tags text[], at integer);
      INSERT INTO carts VALUES (1, '[{"sku": "a", "qty": 2}, {"sku": "b", "qty": 9007199254740993}]', '{"k": 1}', '{x,y}', 1),
        (2, '[{"sku": "c", "qty": "bad"}]', NULL, '{bad}', 1), (3, NULL, 'null', '{z}', 1)`);
    const settings = 'primary_key: id, cursor: { field: at, type: integer }, deletes: reconcile, max_rejected: 50%, children: { lines: { columns: { qty: bigint } }, extra: , tags: }'; // prettier-ignore
    const carts = { carts: `{ table: carts, ${settings} }` };
    const children = async (): Promise<string[]> =>
      (await bench.test.database.query<{ row: string }>(
        `SELECT concat_ws(' ', _parent_id, sku, qty) AS row FROM shop_dev_raw.shop_carts_lines
         UNION ALL SELECT concat_ws(' ', _parent_id, k) FROM shop_dev_raw.shop_carts_extra
         UNION ALL SELECT concat_ws(' ', _parent_id, value) FROM shop_dev_raw.shop_carts_tags ORDER BY 1`,
      )).map(({ row }) => row);
    // The attempt ends with elements staged; the next one has the rows and begins none of them anew.
    process.env['PLUMBLINE_FAILPOINTS'] = 'children.staged=error@2';
    await expect(load(carts)).rejects.toThrow();
    delete process.env['PLUMBLINE_FAILPOINTS'];
    await bench.test.database.execute('DELETE FROM plumbline.leases');
    const [first] = await load(carts);
    expect(first).toMatchObject({ rowsRead: 3, rowsLoaded: 2, rowsRejected: 1, children: [{ rows: 2 }, { rows: 1 }, { rows: 3 }] });
    expect(await children()).toEqual(['1 1', '1 a 2', '1 b 9007199254740993', '1 x', '1 y', '3 z']);
    await shop.database.execute(`DELETE FROM carts WHERE id = 1; UPDATE carts SET tags = '{w}', at = 2 WHERE id = 3`);
    expect((await load(carts))[0]).toMatchObject({ tableRows: 1, children: [{ rows: 0 }, { rows: 0 }, { rows: 1 }] });
    expect(await children()).toEqual(['3 w']);
    expect(await bench.test.database.query(`SELECT relname FROM pg_class WHERE relname LIKE 'load_%child%'`)).toEqual([]);
    const unknown = load({ carts: '{ table: carts, children: liens }' });
    await expect(unknown).rejects.toMatchObject({ details: [{ message: expect.stringContaining('public.carts has no column "liens"; did you mean "lines"?') as string }] });
    await bench.test.database.execute('DELETE FROM plumbline.leases');
  }); // prettier-ignore

  it('stops before what came in is far from what usually comes in', async () => {
    await shop.database.execute(`CREATE TABLE inflow (id serial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), v integer)`);
    const guarded = { inflow: '{ table: inflow, primary_key: id, cursor: { field: at, lag: 0s }, anomaly: { mode: fail, min_history: 3 } }' };
    const come = (rows: number, v = '1'): Promise<unknown> => shop.database.execute(`INSERT INTO inflow (v) SELECT ${v} FROM generate_series(1, ${rows}) AS i`);
    // The first load is the whole source, which later ones are not compared with.
    for (const rows of [5_000, 100, 110, 105]) await come(rows).then(() => load(guarded));
    const [before] = await texts('inflow', 'count(*)');
    await come(10);
    const stopped = async (): Promise<unknown> => {
      const error: unknown = await load(guarded).catch((caught: unknown) => caught);
      await bench.test.database.execute('DELETE FROM plumbline.leases');
      return (error as { details: [{ message: string }] }).details[0];
    };
    expect(await stopped()).toMatchObject({ code: 'ELT_ANOMALY', terminal: true, message: expect.stringMatching(/what came in has 1\d rows, expected \d+ to \d+ \(median 1\d\d of 3 loads\)/) as string });
    await come(90, 'NULL');
    expect(await stopped()).toMatchObject({ code: 'ELT_ANOMALY', message: expect.stringMatching(/what came in has column v is NULL in \d\d.* % of the rows, expected 0 % to 4 %/) as string });
    expect(await texts('inflow', 'count(*)')).toEqual([before]);
    expect(await load(guarded, true)).toMatchObject([{ tableRows: 5_415, notices: [expect.stringMatching('shop.inflow: unusual: column v is NULL') as string] }]);
    // It begins a new history, in which nothing is unusual yet.
    await come(1);
    expect(await load(guarded)).toMatchObject([{ tableRows: 5_416, notices: [] }]);
  }); // prettier-ignore
});

it('a hot standby is read under one snapshot over several connections', async () => {
  await shop.database.execute(`CREATE TABLE copied (id integer PRIMARY KEY, note text) WITH (fillfactor = 10);
    INSERT INTO copied SELECT i, repeat('x', 500) FROM generate_series(1, 5000) AS i`);
  const standby = await startStandby(shop.database);
  process.env['TEST_SHOP_URL'] = standby.url;
  try {
    const [table, since] = await load({
      copied: '{ table: copied, primary_key: id, parallel: 4 }',
      since: '{ table: copied, primary_key: id, parallel: 2, cursor: { xmin: true }, deletes: reconcile }',
    });
    expect(table).toMatchObject({ rowsLoaded: 5_000, tableRows: 5_000 });
    expect(since).toMatchObject({ rowsLoaded: 5_000, tableRows: 5_000 });
    const pieces = 'SELECT max(_row_number >> 32) > 0 AS many FROM shop_dev_raw.shop_copied';
    expect(await bench.test.database.query(pieces)).toEqual([{ many: true }]);
  } finally {
    process.env['TEST_SHOP_URL'] = shop.url;
    await standby.stop();
  }
}, 60_000); // prettier-ignore

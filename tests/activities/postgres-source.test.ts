import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { LoadSummary } from '../../src/contracts/elt.js';
import type { Database } from '../../src/model/database.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';
import { createWorkbench, type Workbench } from './workbench.js';

let shop: TestDatabase;
let bench: Workbench;
let runs = 0;
beforeAll(async () => {
  shop = await createTestDatabase();
  process.env['TEST_SHOP_URL'] = shop.url;
  bench = await createWorkbench({});
});
afterAll(async () => {
  await bench.destroy();
  await shop.drop();
});
afterEach(() => bench.test.database.execute('DELETE FROM plumbline.leases'));

const yaml = (resources: Readonly<Record<string, string>>): string =>
  `name: shop\nsources:\n  shop:\n    type: postgres\n    connection: env:TEST_SHOP_URL\n    resources:\n${Object.entries(
    resources,
  )
    .map(([name, resource]) => `      ${name}: ${resource}\n`)
    .join('')}`;

async function load(resources: Readonly<Record<string, string>>): Promise<readonly LoadSummary[]> {
  await bench.write({ 'plumbline.yaml': yaml(resources) });
  const { run, plan } = await bench.open(`run-${++runs}`, ['elt']);
  const { loads } = await bench.elt(run, plan);
  await bench.close(run);
  return loads;
}

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
});

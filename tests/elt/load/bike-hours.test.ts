import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openWorkbench, resourceOf, type Workbench } from './workbench.js';

const HOURS = new URL('../../../examples/bike-demand/data/hour.csv', import.meta.url);

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
  const content = await readFile(HOURS);
  await bench.write('data/hour.csv', content);
  await bench.write('data/hour.csv.gz', gzipSync(content));
});
afterAll(() => bench.close());

const hours = resourceOf({
  id: 'rides',
  source: 'rides',
  table: 'rides',
  path: 'data/hour.csv',
  primaryKey: ['instant'],
});

test('loads all 17,379 hours with their types', async () => {
  const { loads, published } = await bench.run(hours, { chunkRows: 5_000 });
  expect(loads[0]).toMatchObject({
    rowsRead: 17_379,
    rowsLoaded: 17_379,
    rowsRejected: 0,
    rowsDuplicate: 0,
    resumedFromRow: 1,
    notices: [],
  });
  expect(published).toMatchObject({ status: 'published', rows: 17_379, version: 1, table: 'demo_dev_raw.rides' });
  expect(Object.fromEntries(loads[0]!.columns.map(({ name, type }) => [name, type]))).toMatchObject({
    instant: 'bigint',
    dteday: 'date',
    temp: 'double precision',
    windspeed: 'double precision',
    cnt: 'bigint',
  });
  const [sums] = await bench.database.query(
    `SELECT count(*) AS rows, sum(cnt) AS cnt, min(dteday) AS first, max(dteday) AS last, min(_row_number) AS low, max(_row_number) AS high,
       bool_and(_row_number = instant) AS ordered FROM demo_dev_raw.rides`,
  );
  expect(sums).toEqual({
    rows: '17379',
    cnt: '3292679',
    first: '2011-01-01',
    last: '2012-12-31',
    low: '1',
    high: '17379',
    ordered: true,
  });
});

test('the same content again is a no-op that says so', async () => {
  const { loads, published } = await bench.run(hours, { runId: 'run-2' });
  expect(loads[0]).toMatchObject({ status: 'already_loaded', rowsLoaded: 17_379 });
  expect(published).toMatchObject({ status: 'unchanged', rows: 17_379, version: 1 });
  expect(await bench.stages()).toEqual([]);
});

test('a gzip file gives the same table', async () => {
  const packed = resourceOf({ id: 'packed', source: 'packed', table: 'packed', path: 'data/hour.csv.gz' });
  expect((await bench.run(packed)).published.rows).toBe(17_379);
  const difference = await bench.database.query(
    `SELECT count(*) AS rows FROM (SELECT instant, temp, cnt FROM demo_dev_raw.rides EXCEPT SELECT instant, temp, cnt FROM demo_dev_raw.packed) d`,
  );
  expect(difference).toEqual([{ rows: '0' }]);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { renderSteps } from '../../src/cli/render-run.js';
import { trace } from '../../src/client/trace.js';
import type { LoadSummary } from '../../src/contracts/elt.js';
import { parseInterval } from '../../src/model/parse-interval.js';
import { loadsOfVersion } from '../../src/storage/lineage.js';
import { findLoadInterval } from '../../src/storage/loads.js';
import { listSteps } from '../../src/storage/run-steps.js';
import { sendJson, startApiServer } from '../support/api-server.js';
import { createWorkbench, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await createWorkbench({ 'a.sql': 'SELECT 1 AS url' });
});
afterAll(() => bench.destroy());

let runs = 0;
/** One source, loaded for an interval. */
async function load(source: string, interval: string, zone = 'UTC'): Promise<LoadSummary> {
  await bench.write({ 'plumbline.yaml': `name: shop\nsources:\n  ${source}\n` });
  await bench.test.database.execute('DELETE FROM plumbline.leases');
  const { run, plan } = await bench.open(`run-${++runs}`, ['elt'], { interval: parseInterval(interval, zone) });
  const { loads } = await bench.elt(run, plan);
  await bench.close(run);
  return loads[0]!;
}
const rows = async (table: string) =>
  (await bench.test.database.query(`SELECT id::int FROM shop_dev_raw.${table} ORDER BY id`)).map(({ id }) => id);
const problem = (error: unknown): unknown => (error as { details?: unknown[] }).details?.[0];

test('a path that names the interval: its files take the place of those that it had, and the rest stays', async () => {
  const source = "days: { path: 'days/{interval.start_date}/*.csv', write: replace }";
  await bench.write({
    'days/2024-01-01/a.csv': 'id\n1\n2\n',
    'days/2024-01-01/b.csv': 'id\n3\n',
    'days/2024-01-02/a.csv': 'id\n4\n',
  });
  await load(source, '2024-01-01/2024-01-02');
  expect((await load(source, '2024-01-02/2024-01-03')).objects.map(({ path }) => path)).toEqual(['days/2024-01-02/a.csv']); // prettier-ignore
  expect(await rows('days')).toEqual([1, 2, 3, 4]);

  // A file is gone and the other one is as it was: nothing is read, and its rows go.
  await bench.remove('days/2024-01-01/b.csv');
  await load(source, '2024-01-01/2024-01-02');
  expect(await rows('days')).toEqual([1, 2, 4]);
  const { from } = await trace({ database: bench.test.database, env: 'dev', project: 'shop' }, 'days');
  expect(from.map(({ name }) => name)).toEqual(['days/2024-01-01/a.csv', 'days/2024-01-02/a.csv']);
  await bench.write({ 'days/2024-01-01/a.csv': 'id\n1\n9\n' });
  await load(source, '2024-01-01/2024-01-02');
  expect(await rows('days')).toEqual([1, 4, 9]);
  const status = 'SELECT status FROM plumbline.run_steps WHERE run_id = $1 AND step = $2';
  await load(source, '2024-01-01/2024-01-02');
  expect(await bench.test.database.query(status, [`run-${runs}`, 'load:days'])).toEqual([{ status: 'reused' }]);
  await expect(load(source, '2024-01-03/2024-01-04').catch(problem)).resolves.toMatchObject({ code: 'ELT_FILE_MISSING' }); // prettier-ignore
  expect(await bench.call('explainPlan', { run: await bench.ref('plan') }).catch(problem)).toMatchObject({ code: 'RUN_INTERVAL_NEEDED' }); // prettier-ignore
});

test('a key that two files of an interval have ends the load, whichever came first, and merge keeps the later row', async () => {
  const source = (write: string) => `keyed_${write}: { path: 'keyed/{interval.start_date}/*.csv', primary_key: id, write: ${write} }`; // prettier-ignore
  await bench.write({
    'keyed/2024-01-01/a.csv': 'id,v\n1,a\n2,b\n2,c\n',
    'keyed/2024-01-01/b.csv': 'id,v\n3,d\n',
    'keyed/2024-01-02/a.csv': 'id,v\n1,next\n',
  });
  expect(await load(source('append'), '2024-01-01/2024-01-02')).toMatchObject({ rowsRead: 4, rowsLoaded: 3, rowsDuplicate: 1 }); // prettier-ignore
  await load(source('append'), '2024-01-02/2024-01-03');
  await bench.write({ 'keyed/2024-01-01/b.csv': 'id,v\n2,e\n' });
  await expect(load(source('append'), '2024-01-01/2024-01-02').catch(problem)).resolves.toMatchObject({
    code: 'ELT_KEY_REPEATED',
    message: expect.stringContaining('id = 2 is in keyed/2024-01-01/a.csv row 3 and keyed/2024-01-01/b.csv row 1') as string,
  }); // prettier-ignore
  expect(await rows('keyed_append')).toEqual([1, 1, 2, 3]);
  await load(source('merge'), '2024-01-01/2024-01-02');
  expect(await bench.test.database.query('SELECT id::int, v FROM shop_dev_raw.keyed_merge ORDER BY id')).toEqual([{ id: 1, v: 'a' }, { id: 2, v: 'e' }]); // prettier-ignore
});

test('a file of several intervals ends the load with the number of rows outside, or gives each its own', async () => {
  await bench.write({ 'all.csv': 'id,at\n1,2024-01-01 00:00:00\n2,2024-01-01 23:59:59\n3,2024-01-02 00:00:00\n4,\n' });
  const source = (more = ''): string => `all: { path: all.csv, interval_column: at${more} }`;
  expect(await load(source(), '2024-01-01/2024-01-02').catch(problem)).toMatchObject({
    code: 'ELT_INTERVAL_ROWS',
    message: 'Loading all.csv of all failed: 2 of its rows are outside the interval 2024-01-01T00:00:00Z/2024-01-02T00:00:00Z; the first is row 3, whose at is 2024-01-02 00:00:00.', // prettier-ignore
  });
  const ignoring = source(', outside_interval: ignore');
  expect(await load(ignoring, '2024-01-01/2024-01-02')).toMatchObject({ rowsRead: 4, rowsLoaded: 2, rowsRejected: 0, rowsOutside: 2 }); // prettier-ignore
  const lines = renderSteps(await listSteps(bench.test.database, `run-${runs}`)).map(({ line }) => line);
  expect(lines.join('\n')).toMatch(/all +2 rows +0 rejected +2 outside/);
  const { version } = await load(ignoring, '2024-01-02/2024-01-03');
  expect(await rows('all')).toEqual([1, 2, 3]);

  await bench.write({ 'all.csv': 'id,at\n1,2024-01-01 00:00:00\n5,2024-01-02 12:00:00\n6,2024-01-01 12:00:00\n' });
  await load(ignoring, '2024-01-02/2024-01-03');
  expect(await rows('all')).toEqual([1, 2, 5]);
  await load(ignoring, '2024-01-01/2024-01-03');
  expect(await rows('all')).toEqual([1, 5, 6]);
  // What the table was then still has both of its origins: one file, loaded for either interval.
  expect(await loadsOfVersion(bench.test.database, 'dev', 'shop', 'all', version)).toHaveLength(2);
  expect(await load(ignoring, '2024-01-01/2024-01-02').catch(problem)).toMatchObject({ code: 'ELT_INTERVAL_OVERLAP' }); // prettier-ignore
});

test('a bad row of a file of several intervals, corrected, is a row of its own interval only', async () => {
  await bench.write({ 'mixed.csv': 'id,n,day\n1,1,2024-06-01\n2,x,2024-06-02\n3,3,2024-06-02\n' });
  const source = 'mixed: { path: mixed.csv, interval_column: day, outside_interval: ignore, columns: { n: bigint } }';
  await load(source, '2024-06-01/2024-06-02', 'Europe/Berlin');
  await load(source, '2024-06-02/2024-06-03', 'Europe/Berlin');
  const loads = await bench.test.database.query<{ id: string }>(`SELECT load_id AS id FROM plumbline.loads WHERE resource = 'mixed' ORDER BY 1`);
  expect(loads).toHaveLength(2);
  await bench.write({ 'plumbline.yaml': `name: shop\nsources:\n  ${source.replace('n: bigint', 'n: text')}\n` });
  const intervals = () => bench.test.database.query('SELECT * FROM plumbline.intervals ORDER BY start_at, end_at');
  const before = await intervals();
  const accepted: number[] = [];
  for (const { id: loadId } of loads) {
    const interval = parseInterval((await findLoadInterval(bench.test.database, { env: 'dev', project: 'shop' }, loadId))!, 'Europe/Berlin');
    const { run } = await bench.open(`run-${++runs}`, ['elt'], { rejects: { loadId, resource: 'mixed' }, interval });
    accepted.push((await bench.call('retryRejects', { run })).tableRows);
    await bench.close(run);
  }
  expect(accepted).toEqual([2, 3]);
  expect(await intervals()).toEqual(before);
  expect(await rows('mixed')).toEqual([1, 2, 3]);
  expect(await bench.test.database.query(`SELECT load_id AS id, reason FROM plumbline.rejects JOIN plumbline.loads USING (load_id) WHERE resource = 'mixed'`))
    .toEqual([{ id: loads[0]!.id, reason: 'it is outside the interval 2024-06-01T00:00:00+02:00/2024-06-02T00:00:00+02:00 of its load' }]);
}); // prettier-ignore

test('a row whose time moves to another interval is nowhere twice, of files that a column sorts and of an API', async () => {
  let times: Record<number, string> = { 1: '2024-01-01', 2: '2024-01-02' };
  const server = await startApiServer((_request, response, { searchParams }) =>
    sendJson(response, Object.entries(times).filter(([, day]) => day === searchParams.get('day')).map(([id, day]) => ({ id: Number(id), day }))),
  );
  const write = () => bench.write({ 'moves.csv': `id,day\n${Object.entries(times).map(([id, day]) => `${id},${day}\n`).join('')}` });
  const sources = {
    moves: 'moves: { path: moves.csv, interval_column: day, outside_interval: ignore, primary_key: id }',
    days_days: `days: { type: http, url: ${server.url}, allow_private: true, resources: { days: { path: /days, params: { day: '{interval.start_date}' }, primary_key: id } } }`,
  };
  const [first, second] = ['2024-01-01/2024-01-02', '2024-01-02/2024-01-03'];
  try {
    for (const [table, source] of Object.entries(sources)) {
      times = { 1: '2024-01-01', 2: '2024-01-02', 3: '2024-01-01' };
      await write();
      for (const day of [first, second]) await load(source, day);
      times[1] = '2024-01-02';
      await write();
      expect(await load(source, second).catch(problem)).toMatchObject({ code: 'ELT_KEY_REPEATED', terminal: true, message: expect.stringContaining('id = 1 is in') as string });
      expect(await rows(table)).toEqual([1, 2, 3]);
    }
    // Its former interval first.
    for (const day of [first, second]) await load(sources.moves, day);
    expect(await rows('moves')).toEqual([1, 2, 3]);
    // What another column has sorted does not go together with it.
    await bench.write({ 'moves.csv': 'id,day,seen\n1,2024-01-02,2024-01-01\n' });
    const changed = sources.moves.replace('interval_column: day', 'interval_column: seen');
    expect(await load(changed, first).catch(problem)).toMatchObject({ code: 'ELT_INTERVAL_COLUMN_CHANGED', terminal: true });
    expect(await rows('moves')).toEqual([1, 2, 3]);
    await bench.test.database.execute('DROP TABLE shop_dev_raw.moves');
    await load(changed, first);
    expect(await rows('moves')).toEqual([1]);
  } finally {
    await server.close();
  }
}); // prettier-ignore

test('a row that an API gives twice for an interval is its later one, however far apart they come', async () => {
  const long = 'x'.repeat(1 << 20);
  let second = [{ id: 1, v: 'later' }, { id: 9, v: 'last' }];
  const server = await startApiServer((_request, response, { searchParams }) => {
    const first = Array.from({ length: 33 }, (_, id) => ({ id: 100 + id, v: long }));
    const pages = [[...first, { id: 1, v: 'first' }], second, []];
    sendJson(response, pages[Number(searchParams.get('page')) - 1]);
  });
  const source = `big: { type: http, url: ${server.url}, allow_private: true, resources: { rows: { path: '/{interval.start_date}', pagination: { type: page }, primary_key: id } } }`;
  const interval = '2024-01-01/2024-01-02';
  const small = () => bench.test.database.query('SELECT id::int, v FROM shop_dev_raw.big_rows WHERE id < 100 ORDER BY id');
  try {
    expect(await load(source, interval)).toMatchObject({ rowsRead: 36, tableRows: 35, rowsLoaded: 35, rowsDuplicate: 1 });
    expect(await small()).toEqual([{ id: 1, v: 'later' }, { id: 9, v: 'last' }]);
    second = [{ id: 9, v: 'last' }];
    expect(await load(source, interval)).toMatchObject({ rowsLoaded: 35, rowsDuplicate: 0 });
    expect(await small()).toEqual([{ id: 1, v: 'first' }, { id: 9, v: 'last' }]);
    second = [{ id: 1, v: 'again' }];
    expect(await load(source, interval)).toMatchObject({ tableRows: 34, rowsLoaded: 34, rowsDuplicate: 1 });
    expect(await small()).toEqual([{ id: 1, v: 'again' }]);
  } finally {
    await server.close();
  }
}, 60_000); // prettier-ignore

test('of older intervals files may lack a newer column that is declared, whichever is loaded first', async () => {
  const source = (path: string): string => `old: { path: '${path}', columns: { tip: numeric } }`;
  await bench.write({
    'old/2024-01-01.csv': 'id,v\n1,a\n',
    'old/2024-01-02.csv': 'id,v,tip\n2,b,0.10\n',
  });
  for (const path of ['old/{interval.start_date}.csv', 'old/{interval.start_date}*.csv']) {
    const first = await load(source(path), '2024-01-01/2024-01-02');
    expect(first.notices).toEqual(['There is a file without "tip", which plumbline.yaml gives a type, in any record: NULL in its rows.']);
    expect(await load(source(path), '2024-01-02/2024-01-03')).toMatchObject({ notices: [], tableRows: 2 });
    expect(await bench.test.database.query('SELECT id::int, tip::text FROM shop_dev_raw.old ORDER BY id')).toEqual([{ id: 1, tip: null }, { id: 2, tip: '0.10' }]);
    await bench.test.database.execute('DROP TABLE shop_dev_raw.old');
  }
}); // prettier-ignore

test('days are those of the timezone, whatever the column is', async () => {
  const csv = 'id,day,wall,at\n1,2024-06-01,2024-06-01 00:00:00,2024-05-31T22:00:00Z\n2,2024-06-01,2024-06-01 23:00:00,2024-06-01T21:00:00Z\n'; // prettier-ignore
  await bench.write({ 'zone.csv': csv });
  for (const column of ['day', 'wall', 'at']) {
    const loaded = await load(`zone_${column}: { path: zone.csv, interval_column: ${column} }`, '2024-06-01/2024-06-02', 'Europe/Berlin'); // prettier-ignore
    expect(loaded.rowsLoaded).toBe(2);
  }
  const wrong = await load('zone_id: { path: zone.csv, interval_column: id }', '2024-06-01/2024-06-02').catch(problem);
  expect(wrong).toMatchObject({ code: 'ELT_INTERVAL_COLUMN' });
});

test('a table that was loaded as a whole is not mixed with intervals', async () => {
  await bench.write({ 'whole.csv': 'id,at\n1,2024-01-01\n' });
  await load('whole: { path: whole.csv }', '2024-01-01/2024-01-02');
  const byInterval = 'whole: { path: whole.csv, interval_column: at }';
  expect(await load(byInterval, '2024-01-01/2024-01-02').catch(problem)).toMatchObject({ code: 'ELT_INTERVAL_OVERLAP' }); // prettier-ignore
  await bench.test.database.execute('DROP TABLE shop_dev_raw.whole');
  await load(byInterval, '2024-01-01/2024-01-02');
  await load(byInterval, '2024-01-01/2024-01-02');
  expect(await rows('whole')).toEqual([1]);
});

test('an API that answers with rows of another interval is caught', async () => {
  const api = await startApiServer((_request, response) => sendJson(response, [{ id: 1, day: '2024-01-01' }, { id: 2, day: '2024-01-02' }])); // prettier-ignore
  const source = (more: string): string =>
    `api: { type: http, url: '${api.url}', allow_private: true, path: '/{interval.start_date}', interval_column: day${more} }`;
  try {
    const error = await load(source(''), '2024-01-01/2024-01-02').catch(problem);
    expect(error).toMatchObject({ code: 'ELT_INTERVAL_ROWS', details: { rows: 1 } });
    const ignoring = source(', outside_interval: ignore');
    expect(await load(ignoring, '2024-01-02/2024-01-03')).toMatchObject({ rowsLoaded: 1, rowsOutside: 1 });
    expect(await rows('api')).toEqual([2]);
  } finally {
    await api.close();
  }
});

test.each([
  ["{ path: 'a/{interval.begin}.csv' }", 'names interval.begin'],
  ['{ path: a.csv, outside_interval: ignore }', 'no \\"interval_column\\"'],
  ['{ inventory: a.sql, interval_column: at }', 'is loaded by interval and has an inventory'],
  ["{ type: http, url: 'https://a.example', path: /a, interval_column: at }", 'neither path, params nor body say'],
])('%s is refused', async (source, why) => {
  expect(JSON.stringify(await load(`a: ${source}`, '2024-01-01/2024-01-02').catch((error: unknown) => error))).toContain(why); // prettier-ignore
});

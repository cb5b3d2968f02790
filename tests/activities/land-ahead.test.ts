import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { CancelledFailure } from '@temporalio/common';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connectionName } from '../../src/storage/connection-name.js';
import { landedAhead } from '../../src/elt/extract/landed-ahead.js';
import type { RunRef } from '../../src/contracts/run.js';
import { parseInterval } from '../../src/model/parse-interval.js';
import type { Selection } from '../../src/model/selection.js';
import { loadProject } from '../../src/project/load-project.js';
import { tagDatabase } from '../../src/storage/database.js';
import { sendJson, startApiServer, type ApiServer } from '../support/api-server.js';
import { BUCKET, startProxy, startS3 } from '../support/s3-server.js';
import { createWorkbench, type Workbench } from './workbench.js';

let api: ApiServer;
let bench: Workbench;
let isBroken = false;
beforeEach(async () => {
  isBroken = false;
  api = await startApiServer((_request, response, url) => {
    const [day, page] = [url.searchParams.get('day')!, Number(url.searchParams.get('page') ?? 1)];
    if (isBroken && page === 2) response.writeHead(400).end();
    else sendJson(response, { rows: [{ id: `${day}#${page}`, day }], next: page < 3 ? page + 1 : null });
  });
  const orders = "{ path: /orders, params: { day: '{interval.start_date}' } }";
  const items = "{ path: '/items/{row.id}', params: { day: '{interval.start_date}' }, for_each: { rows_of: orders } }";
  const shops = "{ path: '/shops/{row.id}', params: { day: '{interval.start_date}' }, for_each: { rows_of: names } }";
  bench = await createWorkbench({
    'names.csv': 'id,name\n1,a\n',
    'plumbline.yaml': `name: shop
sources:
  api:
    type: http
    url: ${api.url}
    allow_private: true
    pagination: { type: cursor, param: page, token: next }
    records: rows
    resources: { orders: ${orders} }
`,
    'others.yaml': `name: shop
sources:
  files: { path: 'data/{interval.start_date}/*.csv', interval_column: day }
  bucket: { path: 's3://bucket/{interval.start_date}/*.csv', interval_column: day }
  whole: { path: 's3://bucket/all.csv', interval_column: day, write: append }
  api:
    type: http
    url: ${api.url}
    allow_private: true
    resources: { orders: ${orders}, items: ${items}, names: { path: /names }, shops: ${shops} }
`,
  });
});
afterEach(async () => {
  await bench.destroy();
  await api.close();
});

const about = (day: number): Partial<RunRef> => ({
  interval: parseInterval(`2024-01-0${day}/2024-01-0${day + 1}`, 'UTC'),
  keepLoaded: true,
  once: true,
});
const ahead = async (runId: string, day: number, more: Partial<RunRef> = {}) =>
  bench.call('landAhead', { run: await bench.ref(runId, { ...about(day), ...more }) });
async function run(runId: string, day: number, more: Partial<RunRef> = {}): Promise<void> {
  const opened = await bench.open(runId, ['elt'], { ...about(day), ...more });
  await bench.elt(opened.run, opened.plan);
  await bench.close(opened.run);
}
function gate(): { readonly open: () => void; readonly passed: Promise<void> } {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open, passed };
}
const rows = () => bench.test.database.query<{ id: string }>('SELECT id FROM shop_dev_raw.api_orders ORDER BY id');

it('intervals landed side by side are what their own runs read, and nobody else', async () => {
  const landed = await Promise.all([ahead('run-1', 1), ahead('run-2', 2), ahead('run-3', 3)]);
  expect(landed).toEqual([1, 2, 3].map(() => ({ resources: ['api.orders'] })));
  expect(api.requests).toHaveLength(9);
  // No table, no ledger, no run is touched before an interval's turn.
  const [none] = await bench.test.database.query(
    `SELECT to_regclass('shop_dev_raw.api_orders') AS "table", (SELECT count(*)::int FROM plumbline.loads) AS loads, (SELECT count(*)::int FROM plumbline.runs) AS runs`,
  );
  expect(none).toEqual({ table: null, loads: 0, runs: 0 });
  // The newest extract is that of the third.
  await run('run-1', 1);
  await run('run-2', 2, { force: true });
  expect(api.requests).toHaveLength(9);
  expect((await rows()).map(({ id }) => id)).toEqual([1, 2].flatMap((day) => [1, 2, 3].map((page) => `2024-01-0${day}#${page}`))); // prettier-ignore
  // Somebody else asks by himself, even for what is there as a whole, and the run that was meant finds it done.
  await run('by-hand', 3);
  expect(api.requests).toHaveLength(12);
  await expect(run('run-3', 3)).rejects.toMatchObject({ details: [{ code: 'RUN_INTERVAL_DONE' }] });
  expect(await rows()).toHaveLength(9);
});

it('what cannot be landed is left to the run, which goes on behind the last page', async () => {
  isBroken = true;
  expect(await ahead('run-1', 1)).toEqual({ resources: [] });
  await ahead('run-2', 2);
  isBroken = false;
  const asked = api.requests.length;
  await run('run-1', 1);
  expect(api.requests.slice(asked)).toEqual(['GET /orders?day=2024-01-01&page=2', 'GET /orders?day=2024-01-01&page=3']);
  expect(await rows()).toHaveLength(3);
});

it('ends when it is cancelled, and with it nothing but itself', async () => {
  const answer = api.answer;
  const environment = new MockActivityEnvironment();
  api.answer = (request, response, url) => {
    if (url.searchParams.get('page') === '2') return environment.cancel();
    return answer(request, response, url);
  };
  const landing = bench.call('landAhead', { run: await bench.ref('run-1', about(1)) }, {}, environment);
  await expect(landing).rejects.toBeInstanceOf(CancelledFailure);
  api.answer = answer;
  const asked = api.requests.length;
  await run('run-1', 1);
  expect(api.requests).toHaveLength(asked + 2);
});

it('an attempt that is frozen before its COMMIT is in nobody’s way', async () => {
  await ahead('run-1', 1);
  const frozen = tagDatabase(bench.test.database, `${connectionName('run-2', 'land-ahead')}/1`);
  const ended = frozen.session(async (session) => {
    await session.execute('BEGIN');
    await session.execute('LOCK TABLE plumbline.raw_pages IN EXCLUSIVE MODE');
    expect(await ahead('run-2', 2)).toEqual({ resources: ['api.orders'] });
    await session.execute('COMMIT');
  });
  await expect(ended).rejects.toThrow();
});

it('a landing and a run that are at the same interval take nothing from each other', async () => {
  const { answer } = api;
  const [first, second, atFirst, atSecond] = [gate(), gate(), gate(), gate()];
  let seconds = 0;
  api.answer = async (request, response, url) => {
    // The first is the run's, and waits until a landing has begun; the second the landing's, and waits for a run of somebody else.
    if (url.searchParams.get('page') === '2' && ++seconds <= 2) {
      (seconds === 1 ? atFirst : atSecond).open();
      await (seconds === 1 ? first : second).passed;
    }
    return answer(request, response, url);
  };
  const { run: scheduled } = await bench.open('by-sched', ['elt'], about(1));
  const extracting = bench.call('extractResource', { run: scheduled, resource: 'api.orders' });
  await atFirst.passed;
  const landing = ahead('run-1', 1);
  await atSecond.passed;
  first.open();
  await extracting;
  await bench.close(scheduled, 'cancelled');
  await run('by-hand', 1);
  second.open();
  expect(await landing).toEqual({ resources: ['api.orders'] });
  // Three times as a whole: nobody met a page of another.
  expect(api.requests).toHaveLength(9);
  expect(await rows()).toHaveLength(3);
});

it('asks for few resources of an interval at once', async () => {
  let [asking, mostAsking] = [0, 0];
  api.answer = async (_request, response) => {
    mostAsking = Math.max(mostAsking, ++asking);
    await new Promise((resolve) => setTimeout(resolve, 50));
    asking--;
    sendJson(response, { rows: [{ id: 1 }] });
  };
  const many = Array.from({ length: 6 }, (_, index) => `r${index}: { path: '/r${index}/{interval.start_date}' }`);
  await bench.write({
    'plumbline.yaml': `name: shop
sources: { api: { type: http, url: ${api.url}, allow_private: true, records: rows, resources: { ${many.join(', ')} } } }
`,
  });
  expect((await ahead('run-1', 1)).resources).toHaveLength(6);
  expect(mostAsking).toBeLessThanOrEqual(2);
});

it('objects of a bucket are fetched ahead, and once', async () => {
  const server = await startS3();
  const proxy = await startProxy(server.endpoint);
  process.env['TEST_S3_KEY'] = server.credentials.accessKeyId;
  process.env['TEST_S3_SECRET'] = server.credentials.secretAccessKey;
  for (const day of [1, 2]) await server.put(`orders/2024-01-0${day}/a.csv`, `id,day\n${day},2024-01-0${day}\n`);
  const keys = 'access_key_id: env:TEST_S3_KEY, secret_access_key: env:TEST_S3_SECRET';
  await bench.write({
    'plumbline.yaml': `name: shop
sources:
  api_orders: { path: 's3://${BUCKET}/orders/{interval.start_date}/*.csv', interval_column: day, allow_private: true, s3: { endpoint: '${proxy.endpoint}', ${keys} } }
`,
  });
  try {
    await Promise.all([ahead('run-1', 1), ahead('run-2', 2)]);
    await run('run-1', 1);
    await run('run-2', 2);
    expect(await rows()).toEqual([1, 2].map((id) => ({ id: String(id) })));
    const reads = proxy.requests.filter((request) => request.startsWith('GET') && request.includes('a.csv'));
    expect(reads).toHaveLength(2);
  } finally {
    await proxy.close();
    await server.close();
  }
});

it('is for what is fetched by interval and waits for nothing that changes with it', async () => {
  await bench.write({ 'plumbline.yaml': await readFile(join(bench.root, 'others.yaml'), 'utf8') });
  const project = await loadProject({ root: bench.root });
  const ahead = (selection: Selection) => landedAhead(project, selection).map(({ id }) => id).sort(); // prettier-ignore
  expect(ahead({})).toEqual(['api.orders', 'api.shops', 'bucket']);
  expect(ahead({ only: 'load', select: ['api'], exclude: ['api.shops'] })).toEqual(['api.orders']);
  expect(ahead({ only: 'transform' })).toEqual([]);
});

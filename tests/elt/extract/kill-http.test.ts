import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { sendJson } from '../../support/api-server.js';
import { useApiBench } from './api-bench.js';
import { startProcess, useCompiled } from './http-process.js';

const t = useApiBench();
const compiled = useCompiled();
const PAGES = 6;

const points = [
  'http.page-landed@3',
  'http.page-recorded@3',
  `http.page-recorded@${PAGES + 1}`,
  'load.after-copy',
  'replace.before-commit',
  'publish.after-commit',
];

test.each(['http.page-landed@2', 'publish.before-commit', 'publish.after-commit'])(
  'a process killed at %s: cursor and rows are where they belong together',
  async (point) => {
    const rows = [1, 2, 3].map((id) => ({ id, at: `2024-05-0${id}T00:00:00Z` }));
    t.api.answer = (_request, response, url) =>
      sendJson(response, { rows: url.searchParams.get('page') === '2' ? rows.slice(2) : rows.slice(0, 2), next: url.searchParams.has('page') ? null : 2 }); // prettier-ignore
    const resource = t.resource(
      { cursorParam: 'since', records: ['rows'], pagination: { type: 'cursor', param: 'page', token: ['next'] } },
      { write: 'merge', primaryKey: ['id'], cursor: { field: 'at', type: 'timestamp', lag: 1_000 } },
    );
    const [name, at = '1'] = point.split('@');
    const killed = startProcess(compiled(), t.bench, resource, 'run-2', `${name}=kill@${at}`);
    await once(killed.child, 'exit');
    expect(await readFile(killed.log, 'utf8')).toBe(`${name}\n`);
    const isPublished = name === 'publish.after-commit';
    const state = () =>
      t.bench.database.query('SELECT value FROM plumbline.cursors WHERE resource = $1', [resource.id]);
    expect(await state()).toEqual(isPublished ? [{ value: '2024-05-03T00:00:00Z' }] : []);
    await startProcess(compiled(), t.bench, resource, 'run-2').output;
    expect(await state()).toEqual([{ value: '2024-05-03T00:00:00Z' }]);
    const there = await t.bench.rows(resource.table, 'id');
    expect(there.map(({ id }) => Number(id)).sort()).toEqual([1, 2, 3]);
  },
);

test.each(points)('a process killed at %s: the next one goes on, with every row once', async (point) => {
  t.api.answer = (_request, response, url) => {
    const page = Number(url.searchParams.get('page'));
    sendJson(response, page <= PAGES ? [{ id: 2 * page }, { id: 2 * page + 1 }] : []);
  };
  const resource = t.resource({ pagination: { type: 'page', param: 'page', start: 1 } });
  const [name, at = '1'] = point.split('@');
  const killed = startProcess(compiled(), t.bench, resource, 'run-2', `${name}=kill@${at}`);
  await once(killed.child, 'exit');
  expect(killed.child.signalCode).toBe('SIGKILL');
  expect(await readFile(killed.log, 'utf8')).toBe(`${name}\n`);
  const asked = t.api.requests.length;
  const heir = startProcess(compiled(), t.bench, resource, 'run-2');
  expect(JSON.parse(await heir.output)).toMatchObject({ rows: 2 * PAGES, version: 1 });
  expect((await t.bench.rows(resource.table, 'id')).map(({ id }) => Number(id))).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]); // prettier-ignore
  // At most the page in flight is asked for again.
  expect(t.api.requests.length).toBeLessThanOrEqual(PAGES + 2);
  expect(t.api.requests.length - asked).toBe(
    name === 'http.page-landed' ? PAGES + 2 - Number(at) : Math.max(PAGES + 1 - asked, 0),
  );
  expect(await t.bench.stages()).toEqual([]);
});

test('a process killed while it asks for rows one by one: the next one asks only for what is not there', async () => {
  const ROWS = 12;
  t.api.answer = (_request, response, url) => {
    const [, order] = /orders\/(\d+)/.exec(url.pathname)!;
    const page = Number(url.searchParams.get('page'));
    sendJson(response, page <= 2 ? [{ id: `${order}-${page}` }] : []);
  };
  const parents = { file: 'orders.sql', sql: `SELECT generate_series(1, ${ROWS}) AS id`, lines: [1], sources: [] };
  const forEach = { query: { name: 'orders', ...parents }, columns: { order_id: 'id' }, missing: 'fail', parallel: 3 } as const; // prettier-ignore
  const resource = t.resource({ pagination: { type: 'page', param: 'page', start: 1 }, forEach }, { path: '/orders/{row.id}/items' }); // prettier-ignore
  const killed = startProcess(compiled(), t.bench, resource, 'run-2', 'http.page-recorded=kill@14', parents);
  await once(killed.child, 'exit');
  expect(killed.child.signalCode).toBe('SIGKILL');
  const lines = await t.bench.database.query<{ url: string }>(
    `SELECT p.url FROM plumbline.raw_pages p JOIN plumbline.extracts e USING (extract_id) WHERE e.resource = $1`,
    [resource.id],
  );
  const asked = t.api.requests.length;
  const heir = startProcess(compiled(), t.bench, resource, 'run-2', undefined, parents);
  expect(JSON.parse(await heir.output)).toMatchObject({ rows: 2 * ROWS, version: 1 });
  const again = t.api.requests.slice(asked).map((one) => `${t.api.url}${one.replace('GET ', '')}`);
  expect(lines.length).toBeGreaterThanOrEqual(14);
  expect(again.filter((url) => lines.some((line) => line.url === url))).toEqual([]);
  expect(again.length).toBe(3 * ROWS - lines.length);
  const found = await t.bench.rows(resource.table, 'order_id, id');
  const wanted = Array.from({ length: 2 * ROWS }, (_, index) => `${(index >> 1) + 1}-${(index % 2) + 1}`);
  expect(found.map(({ id }) => id).sort()).toEqual(wanted.sort());
  expect(found.every(({ order_id: order, id }) => String(id).startsWith(`${String(order)}-`))).toBe(true);
});

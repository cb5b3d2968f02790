import { expect, test } from 'vitest';
import { landedExtract } from '../../../src/elt/extract/extract-progress.js';
import type { HttpForEach } from '../../../src/model/project.js';
import { sendJson } from '../../support/api-server.js';
import { useApiBench } from './api-bench.js';

const t = useApiBench();

/** A resource that is asked for each row of a SELECT, and what the extract takes for it. */
function each(sql: string, more: Partial<HttpForEach> = {}, path = '/orders/{row.id}/items') {
  const parents = { file: 'orders.sql', sql, lines: [1], sources: [] };
  const query = { name: 'orders', file: 'orders.sql', sql };
  const forEach = { query, columns: {}, missing: 'fail', parallel: 4, ...more } as const;
  return { resource: t.resource({ forEach }, { path }), parents };
}

test('each row is asked for once, and its columns stand in front of its records, with every digit', async () => {
  t.api.answer = (_request, response, url) =>
    sendJson(response, url.pathname.startsWith('/orders/a') ? '[{"n": 1.10}, {}]' : '[{"n": 2}]');
  const sql = `SELECT * FROM (VALUES ('a/b c', 9007199254740993, 0.50), ('a/b c', 9007199254740993, 0.50), ('x', 2, NULL)) AS v (id, big, price)`;
  const { resource, parents } = each(sql, { columns: { order: 'big', 'the price': 'price' } });
  const extract = await t.extract(resource, { parents });
  expect(t.api.requests.sort()).toEqual(['GET /orders/a%2Fb%20c/items', 'GET /orders/x/items']);
  expect((await t.records(extract)).sort()).toEqual([
    '{"order":2,"the price":null,"n": 2}',
    '{"order":9007199254740993,"the price":0.50,"n": 1.10}',
    '{"order":9007199254740993,"the price":0.50}',
  ]);
});

test('a row without a value is not asked for, and that is said', async () => {
  t.api.answer = (_request, response) => sendJson(response, [{ n: 1 }]);
  const { resource, parents } = each(`SELECT * FROM (VALUES ('1'), (''), (NULL)) AS v (id)`);
  const { objects } = await t.extract(resource, { parents });
  expect(t.api.requests).toEqual(['GET /orders/1/items']);
  expect(objects[0]!.notices).toEqual([`${resource.id}: nothing was asked for 2 rows without a value for its address`]);
});

test('a row that the server does not have ends the load, or is counted where it may be missing', async () => {
  t.api.answer = (_request, response, url) =>
    url.pathname.includes('2') ? void response.writeHead(404).end() : sendJson(response, [{ n: 1 }]);
  const strict = each('SELECT generate_series(1, 3) AS id');
  await expect(t.extract(strict.resource, { parents: strict.parents })).rejects.toMatchObject({
    code: 'ELT_HTTP_STATUS',
    next: 'If the server has nothing for some rows, set `for_each: { missing: ignore }`.',
  });
  const { resource, parents } = each('SELECT generate_series(1, 3) AS id', { missing: 'ignore' });
  const extract = await t.extract(resource, { parents });
  expect(extract.rows).toBe(2);
  expect(await landedExtract(t.bench.database, extract.extractId, undefined)).toMatchObject({ parents: { asked: 3, missing: 1 } }); // prettier-ignore
});

test('an attempt that failed is gone on with while the rows are the same, and begun anew when they are others', async () => {
  let fails = true;
  t.api.answer = (_request, response, url) =>
    fails && url.pathname.includes('3')
      ? void response.writeHead(503).end()
      : sendJson(response, [{ n: url.pathname }]);
  const { resource, parents } = each('SELECT generate_series(1, 4) AS id', { parallel: 1 });
  await expect(t.extract(resource, { parents, pausesMs: [] })).rejects.toMatchObject({ code: 'ELT_HTTP_STATUS_TRANSIENT' }); // prettier-ignore
  fails = false;
  const landed = t.api.requests.length;
  expect(await t.extract(resource, { parents, runId: 'run-2' })).toMatchObject({ rows: 4 });
  expect(t.api.requests.slice(landed)).toEqual(['GET /orders/3/items', 'GET /orders/4/items']);
  const grown = { ...parents, sql: 'SELECT generate_series(1, 5) AS id' };
  const before = t.api.requests.length;
  expect(await t.extract(resource, { parents: grown, runId: 'run-3' })).toMatchObject({ rows: 5 });
  expect(t.api.requests.length - before).toBe(5);
});

test('no more rows are asked for at once than `parallel` says', async () => {
  let open = 0;
  let most = 0;
  t.api.answer = (_request, response) => {
    most = Math.max(most, ++open);
    setTimeout(() => {
      open--;
      sendJson(response, [{ n: 1 }]);
    }, 20);
  };
  const { resource, parents } = each('SELECT generate_series(1, 12) AS id', { parallel: 3 });
  await t.extract(resource, { parents });
  expect(most).toBe(3);
});

test.each([
  ['a value that leads to another path', `SELECT '..' AS id`, {}, { code: 'ELT_HTTP_URL' }],
  ['a column that is not there', 'SELECT 1 AS other', {}, { code: 'ELT_SQL_ERROR' }],
  ['a record that has the column itself', 'SELECT 1 AS id', { columns: { n: 'id' } }, { code: 'ELT_HTTP_RECORDS' }],
])('%s ends the load', async (_, sql, more, error) => {
  t.api.answer = (_request, response) => sendJson(response, [{ n: 1 }]);
  const { resource, parents } = each(sql, more);
  await expect(t.extract(resource, { parents })).rejects.toMatchObject({ ...error, terminal: true });
});

import { json } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { withValueAt } from '../../../src/elt/http/with-value-at.js';
import { readPage } from '../../../src/elt/http/read-page.js';
import { whatIsAsked } from '../../../src/elt/extract/what-is-asked.js';
import { sendJson, startApiServer } from '../../support/api-server.js';
import { useApiBench } from './api-bench.js';

const t = useApiBench();
const environment = { PLUMBLINE_PROJECT_ENV: '*', API_KEY: 's3"cret' };

/** Seven orders behind GraphQL, three a page, as Relay pages them: the last page has a cursor too. Keeps what was sent. */
function serveOrders(): Record<string, Record<string, unknown>>[] {
  const sent: Record<string, Record<string, unknown>>[] = [];
  t.api.answer = async (request, response) => {
    const body = (await json(request)) as Record<string, Record<string, unknown>>;
    sent.push(body);
    const start = Number(body['variables']!['after'] ?? 0);
    const nodes = [1, 2, 3, 4, 5, 6, 7].slice(start, start + 3).map((id) => ({ id }));
    const pageInfo = { hasNextPage: start + 3 < 7, endCursor: String(start + nodes.length) };
    sendJson(response, { data: { orders: { nodes, pageInfo } } });
  };
  return sent;
}

const GRAPHQL = {
  body: { query: '{ orders { nodes { id } } }', variables: { first: 3, key: 'env:API_KEY' } },
  records: ['data', 'orders', 'nodes'],
  errors: ['errors'],
  pagination: {
    type: 'cursor',
    param: ['variables', 'after'],
    token: ['data', 'orders', 'pageInfo', 'endCursor'],
    hasMore: ['data', 'orders', 'pageInfo', 'hasNextPage'],
  },
} as const;

test('pages of GraphQL are asked for by POST with the token in the body, and no secret is kept', async () => {
  const sent = serveOrders();
  const resource = t.resource(GRAPHQL);
  const extract = await t.extract(resource, { environment });
  expect(extract).toMatchObject({ pages: 3, rows: 7 });
  const key = 's3"cret';
  expect(sent.map(({ variables }) => variables)).toEqual([{ first: 3, key }, { first: 3, key, after: '3' }, { first: 3, key, after: '6' }]); // prettier-ignore
  expect(t.api.received[0]!.headers['content-type']).toBe('application/json');
  const lines = await t.bench.database.query<Record<string, string>>(
    'SELECT body, next_at FROM plumbline.raw_pages WHERE extract_id = $1 ORDER BY page',
    [extract.extractId],
  );
  expect(lines.map((line) => line['next_at'])).toEqual(['"3"', '"6"', null]);
  expect(lines[1]!['body']).toBe('{"query":"{ orders { nodes { id } } }","variables":{"first":3,"key":"env:API_KEY","after":"3"}}'); // prettier-ignore
  const at = { env: 'dev', project: 'demo' };
  expect(await whatIsAsked(t.bench.database, at, resource, { full: false })).toMatch(/^asks POST http.* with \{"query".*env:API_KEY.*, page by page \(cursor\)$/); // prettier-ignore
});

test('an extract that stopped goes on behind its last page; another body begins anew', async () => {
  const sent = serveOrders();
  const answer = t.api.answer;
  t.api.answer = (request, response, url) =>
    sent.length === 2 ? void response.writeHead(503).end() : answer(request, response, url);
  const resource = t.resource(GRAPHQL);
  await expect(t.extract(resource, { environment, pausesMs: [] })).rejects.toMatchObject({ code: 'ELT_HTTP_STATUS_TRANSIENT' }); // prettier-ignore
  t.api.answer = answer;
  expect(await t.extract(resource, { environment, runId: 'run-2' })).toMatchObject({ rows: 7, resumedFromPage: 3 });
  expect(sent.map(({ variables }) => variables!['after'])).toEqual([undefined, '3', '6']);
  const other = { ...resource, http: { ...resource.http!, body: { ...GRAPHQL.body, more: true } } };
  await t.extract(other, { environment, runId: 'run-2' });
  expect(sent).toHaveLength(6);
});

test('errors with status 200 are no data: nothing is landed, and one who was too fast waits', async () => {
  const errors = [{ message: 'Field "ids" is unknown to s3"cret' }, { message: 'b' }];
  t.api.answer = (_request, response) => sendJson(response, { data: { orders: { nodes: [{ id: 1 }] } }, errors });
  const resource = t.resource({ ...GRAPHQL, pagination: { type: 'none' } });
  await expect(t.extract(resource, { environment })).rejects.toMatchObject({
    code: 'ELT_HTTP_ERRORS',
    terminal: true,
    message: expect.stringMatching(
      /the answer has at errors "Field \\"ids\\" is unknown to \*\*\*" and 1 more; expected none/,
    ) as string,
  });
  let tries = 0;
  t.api.answer = (_request, response) =>
    sendJson(
      response,
      tries++ === 0
        ? { errors: [{ message: 'slow down', extensions: { code: 'THROTTLED' } }] }
        : { errors: [], data: { orders: { nodes: [{ id: 1 }] } } },
    );
  expect(await t.extract(resource, { environment, runId: 'run-2' })).toMatchObject({ rows: 1 });
});

test('an offset grows in the body, a list stays one, and a circle of tokens ends', async () => {
  const sent: unknown[] = [];
  const after = (value: unknown): void =>
    void (t.api.answer = async (request, response) => {
      const body = (await json(request)) as { from?: number; after?: unknown };
      sent.push(body.from ?? body.after);
      sendJson(response, { rows: [1, 2, 3].slice(body.from ?? 0, (body.from ?? 0) + 2).map((id) => ({ id, n: sent.length })), next: value }); // prettier-ignore
    });
  after(null);
  const records = ['rows'];
  const offset = t.resource({ body: { size: 2 }, records, pagination: { type: 'offset', param: ['from'], start: 0 } });
  expect(await t.extract(offset)).toMatchObject({ pages: 3, rows: 3 });
  expect(sent.splice(0)).toEqual([0, 2, 3]);
  after([5, 'a']);
  const cursor = t.resource({ body: {}, records, pagination: { type: 'cursor', param: ['after'], token: ['next'] } });
  await expect(t.extract(cursor)).rejects.toMatchObject({ code: 'ELT_HTTP_PAGINATION' });
  expect(sent).toEqual([undefined, [5, 'a']]);
});

test('a page that says there is more without saying where ends the load', async () => {
  const pageInfo = { hasNextPage: true, endCursor: null };
  t.api.answer = (_request, response) => sendJson(response, { data: { orders: { nodes: [{ id: 1 }], pageInfo } } });
  await expect(t.extract(t.resource(GRAPHQL), { environment })).rejects.toMatchObject({
    code: 'ELT_HTTP_PAGINATION',
    message: expect.stringContaining('pageInfo.hasNextPage says that there is a further page') as string,
  });
});

test('rows and intervals stand in the body, a number as one, and no row names a secret', async () => {
  const sent: string[] = [];
  t.api.answer = async (request, response) => {
    sent.push(JSON.stringify(await json(request)));
    sendJson(response, [{ n: sent.length }]);
  };
  const sql = `SELECT 7 AS id, 'env:API_KEY' AS name`;
  const forEach = { query: { name: 'o', file: 'o.sql', sql }, columns: {}, missing: 'fail', parallel: 1 } as const;
  const body = { ids: ['{row.id}', 'order {row.id}'], name: '{row.name}', day: '{interval.start_date}' };
  const interval = { start: '2024-05-01T00:00:00Z', end: '2024-05-02T00:00:00Z', timezone: 'UTC' };
  const parents = { file: 'o.sql', sql, lines: [1], sources: [] };
  await t.extract(t.resource({ forEach, body, byInterval: true }), { parents, environment, interval });
  expect(sent).toEqual(['{"ids":[7,"order 7"],"name":"env:API_KEY","day":"2024-05-01"}']);
});

test('a cursor stands in the body as what it is, and the answer is asked for each time', async () => {
  const sent: unknown[] = [];
  t.api.answer = async (request, response) => {
    sent.push(await json(request));
    sendJson(response, [{ id: 1, n: 41 }], { etag: '"a"' });
  };
  const cursor = { field: 'n', type: 'integer', lag: 1 } as const;
  const resource = t.resource({ body: { f: { a: 1 } }, cursorParam: ['f', 'n'] }, { cursor, write: 'merge', primaryKey: ['id'] }); // prettier-ignore
  await t.run(resource, 'run-1');
  await t.run(resource, 'run-2');
  expect(sent).toEqual([{ f: { a: 1 } }, { f: { a: 1, n: 40 } }]);
  const whole = t.resource({ body: {} });
  await t.extract(whole, { runId: 'run-3' });
  await t.extract(whole, { runId: 'run-4' });
  expect(t.api.received.at(-1)!.headers['if-none-match']).toBeUndefined();
});

test('a POST goes along with a redirect of its own server only', async () => {
  const other = await startApiServer((_request, response) => sendJson(response, [{ id: 1 }]));
  try {
    t.api.answer = async (request, response, url) => {
      const status = Number(url.searchParams.get('status'));
      const there = url.searchParams.get('to') ?? '';
      if (url.pathname === '/there') sendJson(response, [{ sent: await json(request), method: request.method }]);
      else response.writeHead(status, { location: `${there}/there` }).end();
    };
    const resource = (status: string, to = '') => t.resource({ body: { a: 1 }, params: { status, to } });
    expect(await t.records(await t.extract(resource('308')))).toEqual(['{"sent":{"a":1},"method":"POST"}']);
    for (const [status, to, said] of [
      ['302', '', 'where its body would be lost'],
      ['307', other.url, 'a server that its body is not meant for'],
    ] as const)
      await expect(t.extract(resource(status, to))).rejects.toMatchObject({
        code: 'ELT_HTTP_REDIRECT',
        message: expect.stringContaining(said) as string,
      });
    expect(other.requests).toEqual([]);
  } finally {
    await other.close();
  }
});

test('a value is put into a body without touching its neighbours', () => {
  expect(withValueAt('{"a": 1.10, "b": {"c": 9007199254740993}}', ['b', 'd'], '[1]')).toBe('{"a":1.10,"b":{"c":9007199254740993,"d":[1]}}'); // prettier-ignore
  expect(withValueAt('{"a":"x"}', ['a', 'b'], '2')).toBe('{"a":{"b":2}}');
});

test.each(['null', 'false', '""', '[]', '{}', undefined])('errors that are %s are none', (errors) => {
  const body = Buffer.from(`{"rows":[]${errors === undefined ? '' : `,"errors": ${errors}`}}`);
  const source = { body, contentType: undefined, shownUrl: 'u', redact: (text: string) => text };
  expect(readPage(source, { records: ['rows'], errors: ['errors'] }).records).toEqual([]);
});

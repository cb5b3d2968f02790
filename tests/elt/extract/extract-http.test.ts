import { buffer } from 'node:stream/consumers';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { HttpPagination } from '../../../src/model/project.js';
import { sendJson } from '../../support/api-server.js';
import { useApiBench } from './api-bench.js';

const t = useApiBench();
const ids = (records: readonly string[]): number[] =>
  records.map((record) => (JSON.parse(record) as { id: number }).id);
const ROWS = [1, 2, 3, 4, 5, 6, 7].map((id) => ({ id }));

describe('records', () => {
  it('come as they are written, with every digit', async () => {
    t.api.answer = (_request, response) =>
      sendJson(
        response,
        '{"data": {"items": [\n {"id": 9007199254740993, "price": 1.10,\n  "note": "a\\nb"}, {"id":2}]}}',
      );
    const extract = await t.extract(t.resource({ records: ['data', 'items'] }));
    expect(await t.records(extract)).toEqual([
      '{"id": 9007199254740993, "price": 1.10,   "note": "a\\nb"}',
      '{"id":2}',
    ]);
    expect(extract).toMatchObject({ pages: 1, rows: 2 });
  });

  it('are loaded and published', async () => {
    t.api.answer = (_request, response) => sendJson(response, '[{"id": 9007199254740993, "price": 0.10}]');
    const resource = t.resource({}, { columns: { price: 'numeric(10,2)' } });
    expect((await t.run(resource, 'run-1')).published).toMatchObject({ status: 'published', rows: 1 });
    expect(await t.bench.rows(resource.table, 'id, price')).toEqual([{ id: '9007199254740993', price: '0.10' }]);
  });

  it('that are the same again are no second load', async () => {
    t.api.answer = (_request, response) => sendJson(response, ROWS);
    const resource = t.resource();
    await t.run(resource, 'run-1');
    const again = await t.run(resource, 'run-2');
    expect(again.loads).toMatchObject([{ status: 'already_loaded' }]);
    expect(again.published).toMatchObject({ status: 'unchanged', version: 1 });
  });

  it('leave a line for each page, without secrets', async () => {
    t.api.answer = (_request, response, url) => sendJson(response, url.searchParams.get('page') === '1' ? ROWS : []);
    const resource = t.resource({
      pagination: { type: 'page', param: 'page', start: 1 },
      params: { key: 'env:API_KEY', size: '10' },
    });
    const { extractId } = await t.extract(resource, { environment: { PLUMBLINE_PROJECT_ENV: '*', API_KEY: 's3cret' } });
    expect(t.api.requests[0]).toBe('GET /orders?size=10&page=1&key=s3cret');
    const lines = await t.bench.database.query(
      'SELECT page, url, row_count::int AS rows, sha256 IS NULL AS empty FROM plumbline.raw_pages WHERE extract_id = $1 ORDER BY page',
      [extractId],
    );
    expect(lines).toEqual([
      { page: 1, url: `${t.api.url}/orders?size=10&page=1`, rows: 7, empty: false },
      { page: 2, url: `${t.api.url}/orders?size=10&page=2`, rows: 0, empty: true },
    ]);
  });
});

describe('pages', () => {
  /** Seven rows, three a page, whatever size is asked for. */
  const slice = (start: number): typeof ROWS => ROWS.slice(start, start + 3);
  const cases: [HttpPagination, readonly string[], (url: URL) => unknown][] = [
    [{ type: 'page', param: 'page', start: 1 }, [], (url) => slice(3 * (Number(url.searchParams.get('page')) - 1))],
    [{ type: 'offset', param: 'skip', start: 0 }, [], (url) => slice(Number(url.searchParams.get('skip')))],
    [
      { type: 'cursor', param: 'after', token: ['meta', 'next'] },
      ['rows'],
      (url) => {
        const start = Number(url.searchParams.get('after') ?? 0);
        return { rows: slice(start), meta: { next: start + 3 < 7 ? start + 3 : null } };
      },
    ],
    [
      { type: 'next_url', url: ['next'] },
      ['rows'],
      (url) => {
        const start = Number(url.searchParams.get('from') ?? 0);
        return { rows: slice(start), ...(start + 3 < 7 ? { next: `/orders?from=${start + 3}` } : {}) };
      },
    ],
  ];
  it.each(cases)('of %j are all asked for', async (pagination, records, answer) => {
    t.api.answer = (_request, response, url) => sendJson(response, answer(url));
    const extract = await t.extract(t.resource({ pagination, records }));
    expect(ids(await t.records(extract))).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(extract.pages).toBe(t.api.requests.length);
  });

  it('of a Link header are all asked for', async () => {
    t.api.answer = (_request, response, url) => {
      const start = Number(url.searchParams.get('from') ?? 0);
      const next = `<${t.api.url}/orders?from=${start + 3}>; title="a, b"; rel="next"`;
      sendJson(response, slice(start), { link: `</orders>; rel=first${start + 3 < 7 ? `, ${next}` : ''}` });
    };
    const extract = await t.extract(t.resource({ pagination: { type: 'link' } }));
    expect(ids(await t.records(extract))).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('that lead in a circle stop the extract', async () => {
    t.api.answer = (_request, response, url) =>
      sendJson(response, { rows: ROWS, next: url.searchParams.get('c') === 'a' ? 'b' : 'a' });
    const resource = t.resource({ pagination: { type: 'cursor', param: 'c', token: ['next'] }, records: ['rows'] });
    await expect(t.extract(resource)).rejects.toMatchObject({ code: 'ELT_HTTP_PAGINATION', terminal: true });
    expect(t.api.requests.length).toBeLessThan(4);
  });

  it('of a server that does not know the parameter stop the extract', async () => {
    t.api.answer = (_request, response) => sendJson(response, ROWS);
    await expect(t.extract(t.resource({ pagination: { type: 'page', param: 'p', start: 1 } }))).rejects.toMatchObject({
      code: 'ELT_HTTP_PAGINATION',
      message: expect.stringContaining('same records') as string,
    });
  });

  it('on another server are not asked for: it would get the credentials', async () => {
    t.api.answer = (_request, response) => sendJson(response, { rows: ROWS, next: 'https://elsewhere.example/orders' });
    const resource = t.resource({ pagination: { type: 'next_url', url: ['next'] }, records: ['rows'] });
    await expect(t.extract(resource)).rejects.toMatchObject({ code: 'ELT_HTTP_PAGINATION' });
  });

  it('lose the key that a next address repeats', async () => {
    t.api.answer = (_request, response, url) =>
      sendJson(response, {
        rows: [{ id: t.api.requests.length }],
        next: url.searchParams.has('p') ? null : '/orders?p=2&key=s3cret',
      });
    const resource = t.resource({
      pagination: { type: 'next_url', url: ['next'] },
      records: ['rows'],
      params: { key: 'env:API_KEY' },
    });
    const { extractId } = await t.extract(resource, { environment: { PLUMBLINE_PROJECT_ENV: '*', API_KEY: 's3cret' } });
    expect(t.api.requests).toEqual(['GET /orders?key=s3cret', 'GET /orders?p=2&key=s3cret']);
    const [line] = await t.bench.database.query(
      'SELECT json_agg(p)::text AS text FROM plumbline.raw_pages p WHERE extract_id = $1',
      [extractId],
    );
    expect(line!['text']).not.toContain('s3cret');
  });
});

describe('an extract that stopped', () => {
  const PAGED = { pagination: { type: 'page', param: 'page', start: 1 } } as const;
  const failFrom = (first: number): void => {
    t.api.answer = (_request, response, url) => {
      const page = Number(url.searchParams.get('page'));
      if (page >= first) response.writeHead(503).end();
      else sendJson(response, page <= 5 ? [{ id: page }] : []);
    };
  };

  it.each([1, 2, 5])('at page %i goes on there, in another run too', async (page) => {
    const resource = t.resource(PAGED);
    failFrom(page);
    await expect(t.extract(resource)).rejects.toMatchObject({ code: 'ELT_HTTP_STATUS_TRANSIENT', terminal: false });
    t.api.requests.length = 0;
    failFrom(99);
    const extract = await t.extract(resource, { runId: 'run-2' });
    expect(t.api.requests[0]).toBe(`GET /orders?page=${page}`);
    expect(ids(await t.records(extract))).toEqual([1, 2, 3, 4, 5]);
    expect(extract.resumedFromPage).toBe(page);
  });

  it('is begun anew when it is asked for in another way, with --force, or after six hours', async () => {
    const resource = t.resource(PAGED);
    const stop = async (): Promise<void> => {
      failFrom(3);
      await expect(t.extract(resource)).rejects.toThrow();
      failFrom(99);
      t.api.requests.length = 0;
    };
    await stop();
    await t.extract({ ...resource, http: { ...resource.http!, params: { shop: '1' } } }, { runId: 'run-2' });
    expect(t.api.requests[0]).toBe('GET /orders?shop=1&page=1');
    await stop();
    await t.extract(resource, { runId: 'run-3', force: true });
    expect(t.api.requests[0]).toBe('GET /orders?page=1');
    await stop();
    await t.bench.database.execute(`UPDATE plumbline.raw_pages SET fetched_at = fetched_at - interval '7 hours'`);
    await t.extract(resource, { runId: 'run-4' });
    expect(t.api.requests[0]).toBe('GET /orders?page=1');
  });

  it('was complete: its own run takes it as it is, the next one asks again', async () => {
    const resource = t.resource(PAGED);
    failFrom(99);
    const first = await t.extract(resource);
    t.api.requests.length = 0;
    expect(await t.extract(resource)).toMatchObject({ extractId: first.extractId, rows: 5 });
    expect(t.api.requests).toEqual([]);
    expect((await t.extract(resource, { runId: 'run-2' })).extractId).not.toBe(first.extractId);
    expect(t.api.requests).toHaveLength(6);
  });

  it('and a second writer of the same page: one of the two ends without effect', async () => {
    const resource = t.resource(PAGED);
    failFrom(99);
    const both = await Promise.allSettled([t.extract(resource), t.extract(resource)]);
    const done = both.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    for (const one of both)
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'ELT_LOAD_FENCED', terminal: false });
    for (const extract of done) expect(ids(await t.records(extract))).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('an empty answer', () => {
  it('leaves a table that is replaced as it was', async () => {
    const resource = t.resource();
    t.api.answer = (_request, response) => sendJson(response, ROWS);
    await t.run(resource, 'run-1');
    t.api.answer = (_request, response) => sendJson(response, []);
    await expect(t.run(resource, 'run-2')).rejects.toMatchObject({ code: 'ELT_SOURCE_EMPTY', terminal: true });
    expect(await t.bench.rows(resource.table)).toHaveLength(7);
  });

  it('empties the table, which keeps its columns, where that is allowed', async () => {
    const resource = t.resource({}, { allowEmpty: true });
    t.api.answer = (_request, response) => sendJson(response, ROWS);
    await t.run(resource, 'run-1');
    t.api.answer = (_request, response) => sendJson(response, []);
    expect((await t.run(resource, 'run-2')).published).toMatchObject({ status: 'published', rows: 0, version: 2 });
    expect((await t.run(resource, 'run-3')).published).toMatchObject({ status: 'unchanged' });
    expect(await t.bench.rows(resource.table, 'id')).toEqual([]);
    t.api.answer = (_request, response) => sendJson(response, ROWS);
    expect((await t.run(resource, 'run-4')).published).toMatchObject({ rows: 7 });
  });
});

describe('an answer that is none', () => {
  const HTML = '<!DOCTYPE html><html><title>Sign in, s3cret</title></html>';
  it.each([
    ['HTML with status 200', HTML, 'ELT_HTTP_ANSWER', 'got an HTML page: "<!DOCTYPE html><html><title>Sign in, ***'],
    ['a text', 'OK', 'ELT_HTTP_ANSWER', 'got text/plain: "OK"'],
    ['nothing', '', 'ELT_HTTP_ANSWER', 'the answer is empty'],
    [
      'another record path',
      '{"data": {"rows": [], "n": 1}}',
      'ELT_HTTP_RECORDS',
      'data.items was asked for, got none among "rows", "n"',
    ],
    [
      'an object at the record path',
      '{"data": {"items": {"a": [1]}}}',
      'ELT_HTTP_RECORDS',
      'lists are at "data.items.a"',
    ],
    ['a list of texts', '{"data": {"items": ["a"]}}', 'ELT_HTTP_RECORDS', 'expected a list of objects'],
    ['a list on the way', '{"data": []}', 'ELT_HTTP_RECORDS', 'data was asked for, got "[]"; expected an object'],
  ])('%s is said, and not asked for again', async (_what, body, code, message) => {
    t.api.answer = (_request, response) => void response.writeHead(200, { 'content-type': 'text/plain' }).end(body);
    const resource = t.resource({ records: ['data', 'items'], auth: { type: 'bearer', token: 'env:TOKEN' } });
    await expect(
      t.extract(resource, { environment: { PLUMBLINE_PROJECT_ENV: '*', TOKEN: 's3cret' } }),
    ).rejects.toMatchObject({
      code,
      terminal: true,
      message: expect.stringContaining(message) as string,
      at: resource.at,
    });
    expect(t.api.requests).toHaveLength(1);
  });

  it.each([401, 403, 404, 400])('status %i is terminal', async (status) => {
    t.api.answer = (_request, response) => void response.writeHead(status).end('no');
    await expect(t.extract(t.resource())).rejects.toMatchObject({
      code: 'ELT_HTTP_STATUS',
      terminal: true,
      message: expect.stringContaining(String(status)) as string,
    });
    expect(t.api.requests).toHaveLength(1);
  });

  it('null at the record path is no record', async () => {
    t.api.answer = (_request, response) => sendJson(response, { items: null });
    expect(await t.extract(t.resource({ records: ['items'] }, { allowEmpty: true }))).toMatchObject({
      rows: 0,
      objects: [],
    });
  });
});

describe('a server in trouble', () => {
  it('is asked again until it answers', async () => {
    const troubles = [503, 'cut', 'half', 429, undefined];
    t.api.answer = (_request, response) => {
      const trouble = troubles.shift();
      if (trouble === 'cut') response.destroy();
      else if (trouble === 'half') response.writeHead(200, { connection: 'close' }).end('[{"id": 1}, {"id"');
      else if (typeof trouble === 'number') response.writeHead(trouble).end();
      else sendJson(response, ROWS);
    };
    expect((await t.extract(t.resource())).rows).toBe(7);
    expect(t.api.requests).toHaveLength(5);
  });

  it('that cuts what it packed is asked again', async () => {
    const packed = gzipSync(JSON.stringify(ROWS));
    let bytes = packed.length / 2;
    t.api.answer = (_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(packed.subarray(0, bytes));
      bytes = packed.length;
    };
    expect((await t.extract(t.resource())).rows).toBe(7);
  });

  it('is not asked before its Retry-After, by nobody', async () => {
    const times: number[] = [];
    t.api.answer = (_request, response) => {
      times.push(Date.now());
      if (times.length === 1) response.writeHead(429, { 'retry-after': '1' }).end();
      else sendJson(response, ROWS);
    };
    const resource = t.resource();
    const first = t.extract(resource);
    while (times.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const other = t.extract({ ...resource, id: `${resource.id}_b` });
    await Promise.all([first, other]);
    expect(times).toHaveLength(3);
    expect(Math.min(times[1]!, times[2]!) - times[0]!).toBeGreaterThanOrEqual(950);
  });

  it('is not asked before its Retry-After by those that were waiting for their turn when it came', async () => {
    const times: number[] = [];
    t.api.answer = async (_request, response) => {
      times.push(Date.now());
      if (times.length > 1) return sendJson(response, ROWS);
      await new Promise((resolve) => setTimeout(resolve, 100));
      response.writeHead(429, { 'retry-after': '2' }).end();
    };
    const resource = t.resource({ intervalMs: 400 });
    const ids = [resource.id, `${resource.id}_b`, `${resource.id}_c`];
    await Promise.all(ids.map((id) => t.extract({ ...resource, id })));
    expect(times).toHaveLength(4);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(1_950);
    // By the moments that were given out: the second request may have come late.
    expect(times[3]! - times[0]!).toBeGreaterThanOrEqual(1_950 + 2 * 400);
  });

  it('that answers drop by drop, or not at all, is given up in time', async () => {
    const resource = t.resource();
    t.api.answer = () => {};
    await expect(t.extract(resource, { timeoutMs: 150, pausesMs: [] })).rejects.toMatchObject({ code: 'ELT_HTTP_UNREACHABLE', terminal: false }); // prettier-ignore
    t.api.answer = (_request, response) => {
      response.writeHead(200);
      response.write('[');
    };
    await expect(t.extract(resource, { timeoutMs: 150, pausesMs: [] })).rejects.toMatchObject({ code: 'ELT_HTTP_CUT', terminal: false }); // prettier-ignore
  });

  it('that redirects for ever is given up', async () => {
    t.api.answer = (_request, response) => void response.writeHead(302, { location: '/orders' }).end();
    await expect(t.extract(t.resource())).rejects.toMatchObject({ code: 'ELT_HTTP_REDIRECT', terminal: true });
  });

  it('that sends without end is stopped', async () => {
    t.api.answer = (_request, response) => {
      const block = Buffer.alloc(1 << 20, ' ');
      response.writeHead(200);
      const more = (): void => void (response.destroyed || response.write(block, more));
      more();
    };
    await expect(t.extract(t.resource())).rejects.toMatchObject({ code: 'ELT_HTTP_TOO_LARGE', terminal: true });
  }, 30_000);

  it('in a private network is not asked unless the source allows it', async () => {
    await expect(t.extract(t.resource({ allowPrivate: false }))).rejects.toMatchObject({
      code: 'ELT_HTTP_ADDRESS_REFUSED',
    });
    expect(t.api.requests).toEqual([]);
  });
});

describe('rate_limit', () => {
  it('holds over two workers of one source', async () => {
    const times: number[] = [];
    t.api.answer = (_request, response, url) => {
      times.push(performance.now());
      sendJson(response, Number(url.searchParams.get('page')) <= 5 ? [{ page: url.search }] : []);
    };
    const resource = t.resource({ intervalMs: 50, pagination: { type: 'page', param: 'page', start: 1 } });
    await Promise.all([t.extract(resource), t.extract({ ...resource, id: `${resource.id}_b` })]);
    expect(times).toHaveLength(12);
    // A limit for each worker alone would take 250 ms; a busy machine may notice the first request late.
    expect(times.at(-1)! - times[0]!).toBeGreaterThanOrEqual(11 * 50 - 150);
  });

  it('counts a redirect to the same server as a request', async () => {
    const times: number[] = [];
    t.api.answer = (_request, response, url) => {
      times.push(performance.now());
      if (url.pathname === '/orders') response.writeHead(302, { location: '/there' }).end();
      else sendJson(response, ROWS);
    };
    await t.extract(t.resource({ intervalMs: 300 }));
    expect(times).toHaveLength(2);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(250);
  });
});

describe('a conditional request', () => {
  it('takes what an unchanged answer was before', async () => {
    const seen: (string | undefined)[] = [];
    t.api.answer = (request, response) => {
      seen.push(request.headers['if-none-match']);
      if (request.headers['if-none-match'] === '"v1"') response.writeHead(304).end();
      else sendJson(response, ROWS, { etag: '"v1"' });
    };
    const resource = t.resource();
    const first = await t.extract(resource);
    expect((await t.extract(resource, { runId: 'run-2' })).objects).toEqual([
      { ...first.objects[0], isUnchanged: true },
    ]);
    expect(await t.extract(resource, { runId: 'run-3' })).toMatchObject({ rows: 7 });
    await t.extract(resource, { runId: 'run-4', force: true });
    expect(seen).toEqual([undefined, '"v1"', '"v1"', undefined]);
  });
});

describe('who asks', () => {
  const asked = (): Record<string, unknown> => t.api.received.at(-1)!.headers;
  const environment = { PLUMBLINE_PROJECT_ENV: '*', TOKEN: 't0ken', USER: 'ann', PASSWORD: 'pa:ss' };

  it('is said as plumbline.yaml says, from the environment or a file', async () => {
    t.api.answer = (_request, response) => sendJson(response, ROWS);
    await writeFile(join(t.bench.root, 'key.txt'), 'from-file\n');
    await t.extract(t.resource({ auth: { type: 'bearer', token: 'env:TOKEN' } }), { environment });
    expect(asked()).toMatchObject({ authorization: 'Bearer t0ken' });
    const basic = { type: 'basic', user: 'env:USER', password: 'env:PASSWORD' } as const;
    await t.extract(t.resource({ auth: basic }), { environment, runId: 'run-2' });
    expect(asked()).toMatchObject({ authorization: `Basic ${Buffer.from('ann:pa:ss').toString('base64')}` });
    const header = { type: 'header', name: 'X-Api-Key', value: 'file:key.txt' } as const;
    const named = { ...environment, PLUMBLINE_SECRETS_DIR: `/nowhere:${t.bench.root}` };
    await t.extract(t.resource({ auth: header, headers: { 'X-Shop': 'one' } }), { environment: named, runId: 'run-3' });
    expect(asked()).toMatchObject({ 'x-api-key': 'from-file', 'x-shop': 'one' });
  });

  it('is not there: the variable is named', async () => {
    await expect(t.extract(t.resource({ auth: { type: 'bearer', token: 'env:NOBODY' } }))).rejects.toMatchObject({
      code: 'ELT_SECRET_MISSING',
      message: expect.stringContaining('env:NOBODY') as string,
    });
  });

  it('by client credentials: one token for all pages, another one when it has run out', async () => {
    let tokens = 0;
    t.api.answer = (request, response, url) => {
      if (url.pathname === '/token') {
        expect(request.headers.authorization).toBe(`Basic ${Buffer.from('id:t0ken').toString('base64')}`);
        sendJson(response, { access_token: `token-${++tokens}`, token_type: 'bearer' });
      } else if (
        request.headers.authorization !== `Bearer token-${tokens}` ||
        (url.searchParams.get('page') === '3' && tokens === 1)
      )
        response.writeHead(401).end();
      else sendJson(response, Number(url.searchParams.get('page')) < 5 ? [{ id: url.search }] : []);
    };
    const resource = t.resource({
      auth: {
        type: 'oauth2',
        tokenUrl: `${t.api.url}/token`,
        clientId: 'id',
        clientSecret: 'env:TOKEN',
        scope: 'read',
      },
      pagination: { type: 'page', param: 'page', start: 1 },
    });
    expect(await t.extract(resource, { environment })).toMatchObject({ rows: 4 });
    expect(tokens).toBe(2);
  });

  it('by client credentials in the body, with what else the server wants', async () => {
    let asked = '';
    t.api.answer = (request, response, url) => {
      if (url.pathname !== '/token') return sendJson(response, [{ id: request.headers.authorization }]);
      expect(request.headers.authorization).toBeUndefined();
      void buffer(request).then((body) => {
        asked = body.toString();
        sendJson(response, { access_token: 'token-1' });
      });
    };
    const auth = { type: 'oauth2', tokenUrl: `${t.api.url}/token`, clientId: 'id', clientSecret: 'env:TOKEN', inBody: true, params: { audience: 'https://api', tenant: 'env:TOKEN' } } as const; // prettier-ignore
    expect(await t.extract(t.resource({ auth }), { environment })).toMatchObject({ rows: 1 });
    expect(Object.fromEntries(new URLSearchParams(asked))).toEqual({
      grant_type: 'client_credentials',
      client_id: 'id',
      client_secret: 't0ken',
      audience: 'https://api',
      tenant: 't0ken',
    });
  });
});

import { describe, expect, it } from 'vitest';
import { TerminalError } from '../../src/errors.js';
import { loadProject } from '../../src/project/load-project.js';
import { writeProject } from './write-project.js';

const project = async (source: string) => loadProject({ root: await writeProject({ 'plumbline.yaml': `name: shop\nsources:\n${source}` }) }); // prettier-ignore
const problemsOf = async (source: string): Promise<string> => {
  const error: unknown = await project(source).catch((caught: unknown) => caught);
  if (!(error instanceof TerminalError)) throw new Error('expected a problem');
  return (error.details['problems'] as { code: string; message: string; at: { line: number } }[])
    .map(({ code, message, at }) => `${code} ${at.line} ${message}`)
    .join('\n');
};

describe('an http source', () => {
  it('has every default filled in', async () => {
    const { resources, defaults } = await project(
      '  api: { type: http, url: "https://api.example.org/v1/", path: /orders }\n',
    );
    expect(resources).toEqual([
      {
        id: 'api',
        source: 'api',
        table: 'api',
        type: 'http',
        path: '/orders',
        format: 'ndjson',
        write: 'replace',
        primaryKey: [],
        columns: {},
        maxRejectedShare: 0.01,
        http: {
          url: 'https://api.example.org/v1',
          headers: {},
          params: {},
          records: [],
          pagination: { type: 'none' },
          intervalMs: 0,
          allowPrivate: false,
        },
        allowEmpty: false,
        at: { file: 'plumbline.yaml', line: 3 },
      },
    ]);
    expect(defaults).toContain('sources.api.write = replace (each load asks for all)');
    expect(defaults).toContain('sources.api.pagination = none');
  });

  it('gives what it says to its resources, which may differ', async () => {
    const { resources } = await project(`
  api:
    type: http
    url: https://api.example.org
    auth: { type: oauth2, token_url: https://api.example.org/token, client_id: me, client_secret: env:SECRET, client_auth: post, params: { ttl: 60 } }
    rate_limit: 30/m
    params: { per_page: 100, active: true }
    pagination: { type: page }
    resources:
      orders: { path: /orders, records: data.items, write: merge, primary_key: id }
      items: { path: /items, pagination: { type: cursor, token: meta.next }, params: { q: x } }
`);
    expect(resources.map(({ id, table, write }) => ({ id, table, write }))).toEqual([
      { id: 'api.orders', table: 'api_orders', write: 'merge' },
      { id: 'api.items', table: 'api_items', write: 'replace' },
    ]);
    expect(resources.map(({ http }) => http)).toMatchObject([
      {
        auth: { type: 'oauth2', clientId: 'me', clientSecret: 'env:SECRET', inBody: true, params: { ttl: '60' } },
        params: { per_page: '100', active: 'true' },
        records: ['data', 'items'],
        pagination: { type: 'page', param: 'page', start: 1 },
        intervalMs: 2_000,
      },
      { params: { q: 'x' }, pagination: { type: 'cursor', param: 'cursor', token: ['meta', 'next'] } },
    ]);
  });

  it.each([
    ['field: at, param: since', { field: 'at', type: 'timestamp', lag: 1_000 }],
    [
      'field: at, param: since, initial: 2024-05-01, lag: 2h',
      { field: 'at', type: 'timestamp', initial: '2024-05-01', lag: 7_200_000 },
    ],
    ['field: id, param: after, initial: 0', { field: 'id', type: 'integer', initial: '0', lag: 1 }],
    ['field: id, param: after, type: integer, lag: 0', { field: 'id', type: 'integer', lag: 0 }],
  ])('with the cursor %s is merged by its key', async (cursor, expected) => {
    const { resources } = await project(
      `  api: { type: http, url: "https://a.example", path: /a, primary_key: id, cursor: { ${cursor} } }\n`,
    );
    expect(resources).toMatchObject([
      { write: 'merge', cursor: expected, http: { cursorParam: /param: (\w+)/.exec(cursor)![1] } },
    ]);
  });

  it.each([
    ['{ type: http, path: /orders }', 'PROJECT_KEY_MISSING 3 Reading plumbline.yaml failed: sources.api has no "url"'],
    ['{ type: http, url: "https://a.example" }', 'sources.api has no "path", expected one such as /orders'],
    ['{ type: http, url: "ftp://a.example", path: /a }', 'expected an address such as https://api.example.org/v1'],
    ['{ type: http, url: "https://ann:pw@a.example", path: /a }', 'without user name and parameters'],
    ['{ type: http, url: "https://a.example", path: orders }', 'expected a path such as /orders'],
    [
      '{ type: http, url: "https://a.example", path: /a, pagination: { type: pages } }',
      'sources.api.pagination.type is "pages", expected',
    ],
    [
      '{ type: http, url: "https://a.example", path: /a, pagination: { type: cursor } }',
      'sources.api.pagination has no "token"',
    ],
    ['{ type: http, url: "https://a.example", path: /a, rate_limit: fast }', 'expected a rate such as 10/s'],
    ['{ type: http, url: "https://a.example", path: /a, record: x }', 'no key "record"; did you mean "records"?'],
    [
      '{ type: http, url: "https://a.example", path: /a, write: append }',
      'sources.api.write is append; an API answers with rows again',
    ],
    [
      '{ type: http, url: "https://a.example", path: /a, write: merge }',
      'sources.api is merged and has no "primary_key"',
    ],
    [
      '{ type: http, url: "https://a.example", path: /a, cursor: { field: at, param: since } }',
      'sources.api has a cursor and no "primary_key"',
    ],
    [
      '{ type: http, url: "https://a.example", path: /a, write: replace, primary_key: id, cursor: { field: at, param: since } }',
      'sources.api.write is replace; with a cursor only new rows come',
    ],
    [
      '{ type: http, url: "https://a.example", path: /a, primary_key: id, cursor: { field: at, param: since, initial: soon } }',
      'sources.api.cursor.initial is "soon", expected a time',
    ],
    [
      '{ type: http, url: "https://a.example", path: /a, primary_key: id, cursor: { field: at, param: since, initial: 5, lag: 1h } }',
      'sources.api.cursor.lag is "1h", expected a whole number',
    ],
    [
      '{ type: http, url: "https://a.example", path: /a, primary_key: id, cursor: { field: at } }',
      'sources.api.cursor has no "param"',
    ],
    ['{ type: ftp, path: /a }', 'sources.api.type is "ftp", expected files, http, postgres, python, plugin or singer'],
  ])('%s is refused', async (source, expected) => {
    expect(await problemsOf(`  api: ${source}\n`)).toContain(expected);
  });

  it('with a secret written out is refused without repeating it', async () => {
    const problems = await problemsOf(
      '  api: { type: http, url: "https://a.example", path: /a, auth: { type: bearer, token: sk-123 } }\n',
    );
    expect(problems).toContain('PROJECT_SECRET_IN_FILE 3');
    expect(problems).not.toContain('sk-123');
  });
});

describe('an http source that is asked by interval', () => {
  const source = (more: string): string =>
    `  api: { type: http, url: "https://api.example.org", path: "/days/{interval.start_date}", ${more} }\n`;

  it('appends, each interval in place of itself', async () => {
    const { resources } = await project(source("params: { to: '{interval.end}' }"));
    expect(resources[0]).toMatchObject({ write: 'append', http: { byInterval: true } });
  });

  it.each([
    ['write: replace', 'would leave its own rows only'],
    ['primary_key: id, cursor: { field: at, param: since }', 'has a cursor and names the interval'],
    ["params: { from: '{interval.begin}' }", 'names interval.begin'],
  ])('%s is refused', async (more, why) => {
    expect(await problemsOf(source(more))).toContain(why);
  });
});

describe('an http source that is asked for rows one by one', () => {
  const source = (each: string, more = ''): string =>
    `  api:\n    type: http\n    url: https://api.example.org\n    resources:\n      orders: { path: /orders }\n      items: { path: "/orders/{row.id}/items", for_each: ${each}${more} }\n  files: { path: a.csv }\n`;

  it('reads the columns that it needs, of a resource of its own source or of another', async () => {
    const { resources } = await project(source('{ rows_of: orders, columns: { of: "Order No" } }'));
    const sql = `SELECT "id", "Order No" FROM {{ source('api', 'orders') }}\n`;
    const query = { name: 'api.orders', file: 'plumbline.yaml', sql };
    expect(resources[1]!.http!.forEach).toEqual({ query, columns: { of: 'Order No' }, missing: 'fail', parallel: 4 });
    const other = await project(source('{ rows_of: files, parallel: 2, missing: ignore }'));
    expect(other.resources[1]!.http!.forEach).toMatchObject({
      query: { name: 'files' },
      parallel: 2,
      missing: 'ignore',
    });
  });

  it.each([
    ['{ columns: { a: id } }', '', 'items.for_each says of no rows'],
    ['{ rows_of: orders, query: a.sql }', '', 'has `rows_of` and `query`'],
    ['{ rows_of: order }', '', 'rows_of is order, which is no resource of the project; did you mean "orders"?'],
    ['{ rows_of: api }', '', 'rows_of is api, which is no resource'],
    ['{ query: parents.sql }', '', 'parents.sql'],
    ['{ rows_of: orders }', ', primary_key: id, cursor: { field: at, param: since }', 'goes with no cursor'],
  ])('%s%s is refused', async (each, more, why) => {
    expect(await problemsOf(source(each, more))).toContain(why);
  });

  it('has to name a column, and to say of which rows it is', async () => {
    const api = '  api: { type: http, url: "https://a.example", resources: { b: { path: /b }, a: { ';
    expect(await problemsOf(`${api} path: /a, for_each: { rows_of: b } } } }\n`)).toContain(
      'asks the same for each row',
    );
    expect(await problemsOf(`${api} path: "/a/{row.id}" } } }\n`)).toContain('and no "for_each"');
  });
});

describe('an http source that is asked by POST', () => {
  const source = (more: string): string =>
    `  api: { type: http, url: "https://api.example.org", path: /search, ${more} }\n`;

  it('has its body, what moves in it, and where GraphQL says what went wrong', async () => {
    const { resources, defaults } = await project(
      source(
        `method: POST, body: { query: "{ a }", from: "{interval.start}" }, pagination: { type: cursor, in: body, param: variables.after, token: next, has_more: more }`,
      ),
    );
    expect(resources[0]!.http).toMatchObject({
      body: { query: '{ a }', from: '{interval.start}' },
      errors: ['errors'],
      byInterval: true,
      pagination: { type: 'cursor', param: ['variables', 'after'], token: ['next'], hasMore: ['more'] },
    });
    expect(defaults).toContain('sources.api.errors = errors (as GraphQL answers)');
    const other = await project(source('method: POST, errors: error, primary_key: id, cursor: { field: n, param: since.n, in: body }')); // prettier-ignore
    expect(other.resources[0]!.http).toMatchObject({ body: {}, errors: ['error'], cursorParam: ['since', 'n'] });
  });

  it.each([
    ['body: { a: 1 }', 'sources.api has a "body", which a GET does not send'],
    ['method: PUT', 'expected GET or POST'],
    ['method: POST, body: [1]', 'expected an object'],
    ['pagination: { type: page, in: body }', 'pagination puts "page" into the body, which a GET does not send'],
    [
      'method: POST, body: { a: x }, pagination: { type: offset, in: body, param: a.b }',
      'where "b" would be in "x", which is no object',
    ],
    [
      'method: POST, body: { a: env:KEY }, pagination: { type: page, in: body, param: a }',
      'puts "a" into the body, which has a secret there',
    ],
    [
      'method: POST, primary_key: id, cursor: { field: at, param: a..b, in: body }',
      'cursor puts "a..b" into the body, expected keys with dots between them',
    ],
  ])('%s is refused', async (more, why) => {
    expect(await problemsOf(source(more))).toContain(why);
  });
});

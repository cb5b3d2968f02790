import { afterAll, beforeAll, expect, it } from 'vitest';
import { analyzeColumns } from '../../../src/elt/lineage/analyze-columns.js';
import { createTestDatabase, type TestDatabase } from '../../setup/database.js';

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
  await test.database.execute(
    `CREATE SCHEMA raw; CREATE TABLE raw.sales (id int, shop text, price numeric, day date, meta jsonb);
     CREATE TABLE raw.shops (code text, name text, "Odd (col) \\" text);
     CREATE FUNCTION raw.secret(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
     CREATE VIEW raw.other AS SELECT 1 AS one`,
  );
});
afterAll(() => test.drop());

const TABLES = new Map([
  ['sales', '"raw"."sales"'],
  ['shops', '"raw"."shops"'],
  ['gone', '"raw"."gone"'],
]);

/** `name: column ← its sources`, and under `rows` what decides which rows there are. */
async function analyze(definitions: Readonly<Record<string, string>>): Promise<Record<string, Record<string, string>>> {
  const list = Object.entries(definitions).map(([id, sql]) => ({ id, view: id, sql, published: `raw.${id}` }));
  const found = await test.database.session((session) => analyzeColumns(session, list, TABLES));
  return Object.fromEntries(
    [...found].map(([id, { columns, rows, notKnown }]) => {
      const shown = (from: (typeof columns)[number]['from']): string =>
        from.map(({ node, column }) => `${node}.${column}`).join(' ');
      return [
        id,
        {
          ...Object.fromEntries(columns.map(({ name, from }) => [name, shown(from)])),
          ...(rows.length === 0 ? {} : { rows: shown(rows) }),
          ...(notKnown.length === 0 ? {} : { notKnown: notKnown.join('; ') }),
        },
      ];
    }),
  );
}

const one = async (sql: string): Promise<Record<string, string>> => (await analyze({ q: sql }))['q']!;

it.each<[string, string, Record<string, string>]>([
  [
    'stars, aliases and joins',
    'SELECT s.*, h.name AS shop_name, price * 2 AS twice FROM raw.sales s JOIN raw.shops h ON h.code = s.shop WHERE id > 0',
    {
      id: 'sales.id',
      shop: 'sales.shop',
      price: 'sales.price',
      day: 'sales.day',
      meta: 'sales.meta',
      shop_name: 'shops.name',
      twice: 'sales.price',
      rows: 'sales.id sales.shop shops.code',
    },
  ],
  [
    'USING, which makes one column of two',
    'SELECT shop, name FROM raw.sales FULL JOIN (SELECT code AS shop, name FROM raw.shops) h USING (shop)',
    { shop: 'sales.shop shops.code', name: 'shops.name', rows: 'sales.shop shops.code' },
  ],
  [
    'a CTE that is named like another table, and one inside another',
    `WITH shops AS (SELECT id AS x FROM raw.sales), b AS (WITH shops AS (SELECT name AS x FROM raw.shops) SELECT x FROM shops)
     SELECT shops.x, b.x AS y FROM shops, b`,
    { x: 'sales.id', y: 'shops.name' },
  ],
  [
    'groups, aggregates and HAVING',
    `SELECT shop || '!' AS label, sum(price) FILTER (WHERE day > '2020-01-01') AS total, count(*) AS n
     FROM raw.sales GROUP BY shop HAVING max(id) > 3`,
    { label: 'sales.shop', total: 'sales.day sales.price', n: '', rows: 'sales.id sales.shop' },
  ],
  [
    'windows',
    'SELECT lag(price) OVER w AS before, row_number() OVER (ORDER BY id DESC) AS nth FROM raw.sales WINDOW w AS (PARTITION BY shop ORDER BY day)',
    { before: 'sales.day sales.price sales.shop', nth: 'sales.id' },
  ],
  [
    'unions, by position',
    `SELECT shop AS a, 1 AS b FROM raw.sales UNION ALL (SELECT name, length(code) FROM raw.shops EXCEPT SELECT 'x', 2)`,
    { a: 'sales.shop shops.name', b: 'shops.code' },
  ],
  [
    'subqueries, correlated and lateral',
    `SELECT (SELECT max(h.name) FROM raw.shops h WHERE h.code = s.shop) AS top, s.id IN (SELECT length(code) FROM raw.shops) AS known, l.k
     FROM raw.sales s CROSS JOIN LATERAL (SELECT s.day + 1 AS k) l WHERE EXISTS (SELECT FROM raw.shops WHERE code = s.shop)`,
    { top: 'shops.name', known: 'sales.id', k: 'sales.day', rows: 'sales.shop shops.code' },
  ],
  [
    'functions, VALUES and DISTINCT ON',
    `SELECT DISTINCT ON (s.shop) e.key, e.value, v.t, g FROM raw.sales s, jsonb_each(s.meta) e, (VALUES (1, 'a')) v(n, t), generate_series(1, s.id) g
     ORDER BY s.shop, s.day LIMIT 1`,
    { key: 'sales.meta', value: 'sales.meta', t: '', g: 'sales.id', rows: 'sales.day sales.shop' },
  ],
  [
    'recursion, whole rows and odd names',
    `WITH RECURSIVE r(n, t) AS (SELECT id, shop FROM raw.sales UNION SELECT n + 1, t FROM r WHERE n < 9),
       swap(a, b, c) AS (SELECT id::text, shop, day::text FROM raw.sales UNION SELECT b, c, a FROM swap)
     SELECT n, t, a, h AS whole, h."Odd (col) \\" AS "new {x}" FROM r, swap, raw.shops h`,
    {
      n: 'sales.id',
      a: 'sales.day sales.id sales.shop',
      t: 'sales.shop',
      whole: 'shops.Odd (col) \\ shops.code shops.name',
      'new {x}': 'shops.Odd (col) \\',
      rows: 'sales.id',
    },
  ],
  [
    'what is not followed, and says so',
    'SELECT raw.secret(id) AS s, one FROM raw.sales, raw.other',
    { s: 'sales.id', one: 'raw.other.one', notKnown: 'what raw.secret(integer) reads' },
  ],
])('follows %s', async (_what, sql, columns) => {
  expect(await one(sql)).toEqual(columns);
});

it('follows one SELECT into the next as the code is, and says what cannot be known', async () => {
  await test.database.execute('CREATE TABLE raw.broken AS SELECT 1 AS was');
  const found = await analyze({
    a: 'SELECT shop AS s, price FROM raw.sales',
    b: 'SELECT s || s AS ss FROM "pg_temp"."a" WHERE price > 0',
    broken: 'SELECT nothing FROM raw.sales',
    c: 'SELECT was FROM "pg_temp"."broken"',
    d: 'SELECT x FROM raw.gone',
    e: 'SELECT x FROM "pg_temp"."d"',
  });
  expect(found).toMatchObject({
    gone: { notKnown: 'its table is not loaded yet' },
    b: { ss: 'a.s', rows: 'a.price' },
    broken: {
      was: '',
      notKnown: 'where its columns come from; these are the published ones: column "nothing" does not exist',
    },
    c: { was: 'broken.was' },
    d: { notKnown: 'its columns: relation "raw.gone" does not exist' },
    e: { notKnown: 'its columns: relation "d" does not exist' },
  });
  // Nothing is left of it.
  expect(
    await test.database.query(`SELECT relname FROM pg_class WHERE relkind = 'v' AND relname IN ('a', 'q')`),
  ).toEqual([]);
});

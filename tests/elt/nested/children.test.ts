import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { publishResource } from '../../../src/elt/load/publish-resource.js';
import { retryRejects } from '../../../src/elt/load/retry-rejects.js';
import { abandonLoads } from '../../../src/elt/load/abandon-loads.js';
import { sweepStages } from '../../../src/elt/load/sweep-stages.js';
import type { ChildConfig, ResourceConfig } from '../../../src/model/project.js';
import { openWorkbench, resourceOf, schemas, type Workbench } from '../load/workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());
afterEach(() => {
  delete process.env['PLUMBLINE_FAILPOINTS'];
});

const child = (table: string, field: string, more: Partial<ChildConfig> = {}): ChildConfig => ({
  field,
  table: `${table}_${field}`,
  columns: {},
  ...more,
});

function nested(table: string, fields: readonly ChildConfig[], more: Partial<ResourceConfig> = {}): ResourceConfig {
  return resourceOf({ id: table, source: table, table, path: `${table}.ndjson`, children: fields, ...more });
}

let runs = 0;
async function load(resource: ResourceConfig, rows: readonly object[], path = resource.path) {
  await bench.write(path, rows.map((row) => JSON.stringify(row)).join('\n'));
  return bench.run(resource, { runId: `run-${++runs}` });
}

/** `columns` of each row as one text; NULL is `-`. */
async function texts(table: string, columns: string, order = columns): Promise<string[]> {
  const list = columns.split(', ').map((column) => `coalesce(${column}::text, '-')`);
  const found = await bench.database.query<{ row: string }>(
    `SELECT concat_ws(' ', ${list.join(', ')}) AS row FROM ${schemas.raw}."${table}" ORDER BY ${order}`,
  );
  return found.map(({ row }) => row);
}

async function columns(table: string): Promise<string[]> {
  const found = await bench.database.query<{ column: string }>(
    `SELECT attname || ' ' || format_type(atttypid, atttypmod) AS column FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [`${schemas.raw}.${table}`],
  );
  return found.map(({ column }) => column);
}

/** Child rows whose parent is not there: none, after whatever happened. */
async function orphans(parent: string, table: string, row = '_parent_row_number'): Promise<number> {
  const [found] = await bench.database.query<{ rows: number }>(
    `SELECT count(*)::int AS rows FROM ${schemas.raw}.${table} AS c WHERE NOT EXISTS (
       SELECT 1 FROM ${schemas.raw}.${parent} AS p WHERE (p._load_id, p._row_number) = (c._load_id, c.${row}))`,
  );
  return found!.rows;
}

test('elements become typed rows that say whose they are, whatever form a list has', async () => {
  const orders = nested('forms', [child('forms', 'lines'), child('forms', 'tags'), child('forms', 'absent')], {
    primaryKey: ['id'],
  });
  const { published } = await load(orders, [
    { id: 'a', lines: [{ sku: 'x', qty: 2, price: 1.5, day: '2026-01-31' }, { sku: 'y', big: 9007199254740993n.toString() }], tags: ['red', 'green'] }, // prettier-ignore
    { id: 'b', lines: [], tags: null },
    { id: 'c', lines: { sku: 'one object', qty: 1, _index: 'own', _index_: 'other', value: true }, tags: 'alone' },
    { id: 'd', tags: [7, null, [1, 2], { k: 'v' }] },
  ]);
  expect(published).toMatchObject({
    rows: 4,
    children: [
      { table: `${schemas.raw}.forms_lines`, rows: 3 },
      { table: `${schemas.raw}.forms_tags`, rows: 7 },
      { table: `${schemas.raw}.forms_absent`, rows: 0 },
    ],
  });
  expect((await columns('forms')).slice(0, 1)).toEqual(['id text']);
  expect((await columns('forms')).length).toBe(4);
  expect(await columns('forms_lines')).toEqual(
    expect.arrayContaining([
      '_parent_load_id bigint',
      '_parent_row_number bigint',
      '_index bigint',
      '_parent_id text',
      'sku text',
      'qty bigint',
      'price double precision',
      'day date',
      '_index_ text',
      'value boolean',
      '_load_id bigint',
      '_row_number bigint',
      '_loaded_at timestamp with time zone',
    ]),
  );
  expect(await texts('forms_lines', '_parent_id, _index, _parent_row_number, sku, qty, day, _index_')).toEqual([
    'a 0 1 x 2 2026-01-31 -',
    'a 1 1 y - - -',
    'c 0 3 one object 1 - own',
  ]);
  expect(await texts('forms_lines', '_index__')).toContain('other');
  expect(await texts('forms_tags', '_parent_id, _index, value, k')).toEqual([
    'a 0 "red" -',
    'a 1 "green" -',
    'c 0 "alone" -',
    'd 0 7 -',
    'd 1 - -',
    'd 2 [1, 2] -',
    'd 3 - v',
  ]);
  expect(await orphans('forms', 'forms_lines')).toBe(0);
  expect(await bench.stages()).toEqual([]);
});

test('append keeps the elements of other files, replaces those of a changed one, and widens what they no longer fit', async () => {
  const logs = nested('logs', [child('logs', 'hits')], {
    write: 'append',
    path: 'logs/*.ndjson',
    // What widens a column of a table widens that of its child too.
    contract: { types: 'evolve' },
  });
  await load(logs, [{ hits: [{ ms: 1 }, { ms: 2 }] }], 'logs/a.ndjson');
  await load(logs, [{ hits: [{ ms: 3 }] }], 'logs/b.ndjson');
  expect(await texts('logs_hits', 'ms')).toEqual(['1', '2', '3']);
  const { published } = await load(logs, [{ hits: [{ ms: 1.5, at: '2026-01-01T10:00:00Z' }] }], 'logs/a.ndjson');
  expect(published.children).toEqual([{ table: `${schemas.raw}.logs_hits`, rows: 2 }]);
  expect(await texts('logs_hits', 'ms, at')).toEqual(['1.5 2026-01-01 10:00:00+00', '3 -']);
  expect((await columns('logs_hits')).filter((one) => /^(ms|at) /.test(one))).toEqual([
    'ms numeric',
    'at timestamp with time zone',
  ]);
  // A load without any element, and then one whose table has none.
  await load(logs, [{ hits: [] }], 'logs/c.ndjson');
  expect(await texts('logs_hits', 'ms')).toEqual(['1.5', '3']);
  expect(await orphans('logs', 'logs_hits')).toBe(0);
});

test('replace swaps all tables at once, keeps what hangs on them, and a death before its commit changes none', async () => {
  const carts = nested('carts', [child('carts', 'items')]);
  await load(carts, [
    { id: 1, items: ['a', 'b'] },
    { id: 2, items: ['c'] },
  ]);
  await bench.database.execute(
    `CREATE VIEW ${schemas.raw}.cart_items AS SELECT c.id, i.value FROM ${schemas.raw}.carts c
       JOIN ${schemas.raw}.carts_items i ON (i._parent_load_id, i._parent_row_number) = (c._load_id, c._row_number)`,
  );
  const seen = () => texts('cart_items', 'id, value');
  expect(await seen()).toEqual(['1 a', '1 b', '2 c']);
  const former = await load(carts, [
    { id: 1, items: ['a', 'b'] },
    { id: 2, items: ['c'] },
  ]);
  expect(former.published.status).toBe('unchanged');
  // The swap's transaction fails at its very end: no table is another one.
  await bench.write('carts.ndjson', '{"id":3,"items":["z"]}');
  const loads = await bench.stage(carts, { runId: 'dies' });
  const publish = (onPublish?: () => Promise<void>) =>
    publishResource({ database: bench.database, env: 'dev', project: 'demo', schemas, resource: carts, loads, runId: 'dies', ...(onPublish && { onPublish }) }); // prettier-ignore
  await expect(publish(() => Promise.reject(new Error('killed')))).rejects.toThrow('killed');
  expect(await seen()).toEqual(['1 a', '1 b', '2 c']);
  await publish();
  expect(await seen()).toEqual(['3 z']);
  // Other types: the view over both tables is made anew.
  await load(carts, [{ id: 'x', items: [{ value: 4 }] }]);
  expect(await seen()).toEqual(['x 4']);
  // A table that is emptied keeps its columns.
  await load(carts, [{ id: 'y', items: [] }]);
  expect(await columns('carts_items')).toContain('value text');
  expect(await seen()).toEqual([]);
  expect(await bench.stages()).toEqual([]);
});

test('replace from several files keeps the elements of the rows that stay', async () => {
  const shops = nested('shops', [child('shops', 'hours')], { primaryKey: ['id'], path: 'shops/*.ndjson' });
  await load(
    shops,
    [
      { id: 1, hours: [9] },
      { id: 2, hours: [10, 11] },
    ],
    'shops/a.ndjson',
  );
  const { published } = await load(shops, [{ id: 2, hours: [8.5] }], 'shops/b.ndjson');
  expect(published.children).toEqual([{ table: `${schemas.raw}.shops_hours`, rows: 2 }]);
  expect(await texts('shops_hours', '_parent_id, value')).toEqual(['1 9', '2 8.5']);
  expect(await orphans('shops', 'shops_hours')).toBe(0);
});

test('an upsert gives a row its new elements, keeps those of rows that did not come, and leaves older ones out', async () => {
  const users = nested('users', [child('users', 'mails', { children: [child('users_mails', 'seen')] })], {
    write: 'merge',
    primaryKey: ['id'],
    merge: { strategy: 'upsert', hardDelete: 'gone' },
  });
  const mail = (name: string, ...seen: number[]) => ({ name, seen });
  const older = await (async () => {
    await bench.write('users.ndjson', JSON.stringify({ id: 1, gone: false, mails: [mail('old')] }));
    return bench.stage(users, { runId: 'older' });
  })();
  await load(users, [
    { id: 1, gone: false, mails: [mail('a', 1, 2), mail('b')] },
    { id: 2, gone: false, mails: [mail('c', 3)] },
    { id: 3, gone: false, mails: [mail('d', 4)] },
  ]);
  const all = async () => [
    await texts('users_mails', '_parent_id, _index, name'),
    await texts('users_mails_seen', '_root_id, value'),
  ];
  expect(await all()).toEqual([
    ['1 0 a', '1 1 b', '2 0 c', '3 0 d'],
    ['1 1', '1 2', '2 3', '3 4'],
  ]);
  expect(await columns('users_mails')).not.toContain('seen jsonb');
  // The same key with fewer elements, one with none, one that is deleted at the source.
  await load(users, [
    { id: 1, gone: false, mails: [mail('e', 5)] },
    { id: 2, gone: false },
    { id: 3, gone: true, mails: [mail('d', 4)] },
  ]);
  expect(await all()).toEqual([['1 0 e'], ['1 5']]);
  // What comes late is older than what is there.
  await publishResource({ database: bench.database, env: 'dev', project: 'demo', schemas, resource: users, loads: older, runId: 'late' }); // prettier-ignore
  expect(await all()).toEqual([['1 0 e'], ['1 5']]);
  const [joined] = await bench.database.query<{ rows: number }>(
    `SELECT count(*)::int AS rows FROM ${schemas.raw}.users_mails_seen s JOIN ${schemas.raw}.users_mails m
       ON (s._parent_load_id, s._parent_row_number) = (m._load_id, m._row_number)`,
  );
  expect(joined!.rows).toBe(1);
  expect(await orphans('users', 'users_mails_seen', '_root_row_number')).toBe(0);
});

test('the same rows again count as unchanged, one element that is another or elsewhere as a change', async () => {
  const items = child('feed', 'items', { children: [child('feed_items', 'marks')] });
  const feed = nested('feed', [items], {
    write: 'merge',
    primaryKey: ['id'],
    cursor: { field: 'at', type: 'integer', lag: 0 },
  });
  const changed = async (...rows: object[]) =>
    (
      await load(
        feed,
        rows.map((row, at) => ({ id: at + 1, at: 1, ...row })),
      )
    ).published.rowsChanged;
  const [one, two] = [{ items: [{ a: 1, marks: ['x'] }, { a: 2 }] }, { items: [{ a: 3 }] }];
  await changed(one, two);
  // In another order: another file, the same rows.
  expect(await changed({ ...one, id: 1 }, { ...two, id: 2 }, { id: 1, ...one })).toBe(0);
  expect(await changed(one, { items: [{ a: 4 }] })).toBe(1);
  expect(await changed(one, { items: [] })).toBe(1);
  // The mark goes from the first element to the second.
  expect(await changed({ items: [{ a: 1 }, { a: 2, marks: ['x'] }] }, { items: [] })).toBe(1);
  expect(
    await changed(
      {
        items: [
          { a: 1, b: 1 },
          { a: 2, marks: ['x'] },
        ],
      },
      { items: [] },
    ),
  ).toBe(1);
});

test('elements of rows from before there was a key go with them', async () => {
  const notes = nested('notes', [child('notes', 'words')], { write: 'append' });
  await load(notes, [
    { id: 1, words: ['a'] },
    { id: 2, words: ['b'] },
  ]);
  await load({ ...notes, write: 'merge', primaryKey: ['id'] }, [
    { id: 1, words: ['c'] },
    { id: 2, words: ['d'] },
  ]);
  expect(await orphans('notes', 'notes_words')).toBe(0);
  // Whoever drops the table finds no elements of its former rows in the next one.
  await bench.database.execute(`DROP TABLE ${schemas.raw}.notes`);
  await load({ ...notes, write: 'merge', primaryKey: ['id'] }, [{ id: 3, words: ['e'] }]);
  expect(await texts('notes_words', '_parent_id, value')).toEqual(['3 e']);
});

test('delete-insert takes the elements of all rows of a merge key, scd2 keeps those of former states', async () => {
  const days = nested('days', [child('days', 'notes')], {
    write: 'merge',
    merge: { strategy: 'delete-insert', key: ['day'] },
  });
  await load(days, [
    { day: 1, notes: ['a'] },
    { day: 1, notes: ['b'] },
    { day: 2, notes: ['c'] },
  ]);
  await load(days, [{ day: 1, notes: ['x', 'y'] }]);
  expect(await texts('days_notes', '_parent_day, value')).toEqual(['1 x', '1 y', '2 c']);
  expect(await orphans('days', 'days_notes')).toBe(0);

  const prices = nested('prices', [child('prices', 'tiers', { keepsColumn: true })], {
    write: 'merge',
    primaryKey: ['id'],
    merge: { strategy: 'scd2' },
  });
  await load(prices, [
    { id: 1, tiers: [5, 4] },
    { id: 2, tiers: [9] },
  ]);
  await load(prices, [
    { id: 1, tiers: [5, 3] },
    { id: 2, tiers: [9] },
  ]);
  const history = await bench.database.query<{ row: string }>(
    `SELECT concat_ws(' ', p.id, CASE WHEN p._valid_to IS NULL THEN 'now' ELSE 'ended' END, string_agg(t.value::text, ',' ORDER BY t._index)) AS row
     FROM ${schemas.raw}.prices p JOIN ${schemas.raw}.prices_tiers t ON (t._parent_load_id, t._parent_row_number) = (p._load_id, p._row_number)
     GROUP BY p.id, p._valid_from, p._valid_to ORDER BY p.id, p._valid_from`,
  );
  expect(history.map(({ row }) => row)).toEqual(['1 ended 5,4', '1 now 5,3', '2 now 9']);
});

test('a bad element quarantines its row with all of its elements, and a corrected type brings it in', async () => {
  const lines = child('bills', 'lines', { columns: { qty: 'bigint' }, children: [child('bills_lines', 'taxes', { columns: { rate: 'date' } })] }); // prettier-ignore
  const bills = nested('bills', [lines, child('bills', 'tags')], { write: 'append', maxRejectedShare: 0.8 });
  const { loads } = await load(bills, [
    { id: 1, lines: [{ qty: 1, taxes: [{ rate: '2026-01-01' }] }], tags: ['a'] },
    { id: 2, lines: [{ qty: 1 }, { qty: 'two' }], tags: ['b'] },
    { id: 3, lines: [{ qty: 3 }, { qty: 4, taxes: [{ rate: '2026-01-01' }, { rate: 'never' }] }], tags: ['c'] },
    // DuckDB takes the year 0 for one, PostgreSQL has none.
    { id: 4, lines: [{ qty: 5, taxes: [{ rate: '0000-01-01' }] }], tags: ['d'] },
  ]);
  expect(loads).toMatchObject([{ rowsRead: 4, rowsLoaded: 1, rowsRejected: 3 }]);
  const rejects = await bench.database.query(
    'SELECT row_number::int AS row, column_name AS "column", value FROM plumbline.rejects WHERE load_id = $1 ORDER BY 1',
    [loads[0]!.loadId],
  );
  expect(rejects).toMatchObject([
    { row: 2, column: 'lines[1].qty', value: 'two' },
    { row: 3, column: 'lines.taxes[1].rate', value: 'never' },
    { row: 4, column: 'lines.taxes[0].rate' },
  ]);
  expect(await texts('bills_lines', 'qty')).toEqual(['1']);
  expect(await texts('bills_tags', 'value')).toEqual(['a']);
  const [line] = await bench.database.query<{ children: { path: string; rows: number }[] }>(
    `SELECT reader -> 'children' AS children FROM plumbline.loads WHERE load_id = $1`,
    [loads[0]!.loadId],
  );
  expect(line!.children.map(({ path, rows }) => `${path} ${rows}`)).toEqual(['lines 1', 'lines.taxes 1', 'tags 1']);
  // With types that all of them fit but one.
  const texted = { ...lines, children: [child('bills_lines', 'taxes', { columns: { rate: 'text' } })] };
  const retried = await retryRejects({
    database: bench.database, env: 'dev', project: 'demo', schemas, loadId: loads[0]!.loadId, runId: 'again',
    resource: { ...bills, children: [texted, child('bills', 'tags')] },
  }); // prettier-ignore
  expect(retried).toMatchObject({ accepted: 2, rejected: 1 });
  expect(await texts('bills_lines', '_parent_row_number, qty')).toEqual(['1 1', '3 3', '3 4', '4 5']);
  expect(await texts('bills_lines_taxes', '_root_row_number, rate')).toEqual([
    '1 2026-01-01',
    '3 2026-01-01',
    '3 never',
    '4 0000-01-01',
  ]);
  const [joined] = await bench.database.query(
    `SELECT count(*)::int AS rows FROM ${schemas.raw}.bills_lines_taxes t JOIN ${schemas.raw}.bills_lines l
       ON (t._parent_load_id, t._parent_row_number, t._root_row_number) = (l._load_id, l._row_number, l._parent_row_number)`,
  );
  expect(joined).toEqual({ rows: 4 });
  const [doubled] = await bench.database.query(
    `SELECT _load_id, _row_number FROM ${schemas.raw}.bills_lines GROUP BY 1, 2 HAVING count(*) > 1`,
  );
  expect(doubled).toBeUndefined();
  expect(await orphans('bills', 'bills_lines')).toBe(0);
  expect(await bench.stages()).toEqual([]);
  // Too many of them, and nothing is left behind.
  await expect(load(nested('few', [lines], { maxRejectedShare: 0 }), [{ lines: [{ qty: 'x' }] }, { lines: [{ qty: 1 }] }])).rejects.toThrow('1 of its 2 rows were refused'); // prettier-ignore
  expect(await bench.stages()).toEqual([]);
});

test('a death while the elements are staged is made good by the next attempt, and stages of a given up load are swept', async () => {
  const trips = nested('trips', [child('trips', 'stops')], { write: 'append' });
  await bench.write('trips.ndjson', '{"id":1,"stops":["a","b"]}\n{"id":2,"stops":["c"]}');
  process.env['PLUMBLINE_FAILPOINTS'] = 'children.staged=error';
  await expect(bench.stage(trips, { runId: 'killed' })).rejects.toThrow('children.staged');
  delete process.env['PLUMBLINE_FAILPOINTS'];
  const loads = await bench.stage(trips, { runId: 'next' });
  expect(await bench.stages()).toEqual([`load_${loads[0]!.loadId}`, `load_${loads[0]!.loadId}_child_1`]);
  const scope = { database: bench.database, env: 'dev', project: 'demo', schemas };
  expect(await sweepStages(scope)).toEqual([]);
  await publishResource({ ...scope, resource: trips, loads, runId: 'next' });
  expect(await texts('trips_stops', 'value')).toEqual(['a', 'b', 'c']);
  await bench.write('trips.ndjson', '{"id":1,"stops":["x"]}');
  await bench.stage(trips, { runId: 'cancelled' });
  await abandonLoads({ ...scope, cancelledRunId: 'cancelled' });
  expect(await sweepStages(scope)).toHaveLength(2);
  expect(await bench.stages()).toEqual([]);
});

test('a table that is no child table is not written into, and a contract holds for child tables too', async () => {
  await load(resourceOf({ id: 'plain', source: 'plain', table: 'taken_items', path: 'plain.ndjson' }), [{ a: 1 }]);
  const taken = nested('taken', [child('taken', 'items')]);
  await expect(load(taken, [{ items: [1] }])).rejects.toMatchObject({ code: 'ELT_CHILD_TABLE' });
  const strict = nested('strict', [child('strict', 'items')], { write: 'append', path: 'strict/*.ndjson' });
  await load(strict, [{ items: [{ a: 1 }] }], 'strict/1.ndjson');
  const frozen = { ...strict, contract: { columns: 'freeze', types: 'freeze' } } as const;
  await expect(load(frozen, [{ items: [{ a: 1, b: 2 }] }], 'strict/2.ndjson')).rejects.toMatchObject({ code: 'ELT_CONTRACT' }); // prettier-ignore
  const dropped = { ...strict, contract: { columns: 'discard_value', types: 'discard_value' } } as const;
  const { loads } = await load(dropped, [{ items: [{ a: 'x', b: 2 }] }], 'strict/2.ndjson');
  expect(loads.at(-1)!.discarded).toEqual({ 'items.a': 1, 'items.b': 1 });
  expect(await texts('strict_items', 'a', 'a NULLS LAST')).toEqual(['1', '-']);
});

test.each(['append', 'merge'] as const)('nothing is added to what was a child table: %s', async (write) => {
  const table = `left_${write}`;
  await load(nested(table, [child(table, 'items')]), [{ items: [{ a: 1 }] }]);
  const own = resourceOf({ id: `${table}.items`, source: table, table: `${table}_items`, path: 'own.ndjson', write, primaryKey: ['a'] }); // prettier-ignore
  await expect(load(own, [{ a: 2 }])).rejects.toMatchObject({
    code: 'ELT_TABLE_TAKEN',
    message: expect.stringContaining('has the rows of a child table') as unknown,
  });
  expect(await texts(`${table}_items`, 'a')).toEqual(['1']);
});

test('a list in a CSV column, and lists of structs in Parquet, are elements too', async () => {
  await bench.write('sheet.csv', `id,items\n1,"[{""a"": 1}, {""a"": 2}]"\n2,\n3,[]\n`);
  const sheet = nested('sheet', [child('sheet', 'items')], { path: 'sheet.csv' });
  await bench.run(sheet, { runId: 'csv' });
  expect(await texts('sheet_items', '_parent_row_number, a')).toEqual(['1 1', '1 2']);
  const duckdb = await (await DuckDBInstance.create()).connect();
  await duckdb.run(
    `COPY (SELECT 1 AS id, [{'a': 1, 'day': DATE '2026-01-31'}, {'a': 2, 'day': NULL}] AS items) TO '${join(bench.root, 'structs.parquet')}'`,
  );
  duckdb.closeSync();
  await bench.run(nested('structs', [child('structs', 'items')], { path: 'structs.parquet' }), { runId: 'parquet' });
  expect(await texts('structs_items', 'a, day')).toEqual(['1 2026-01-31', '2 -']);
});

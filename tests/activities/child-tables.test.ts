import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeLineage } from '../../src/activities/describe-lineage.js';
import { renderSteps } from '../../src/cli/render-run.js';
import type { EltResult } from '../../src/contracts/elt.js';
import { compileUnitTest } from '../../src/elt/unit-tests/compile-unit-test.js';
import { loadProject } from '../../src/project/load-project.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import { saveBundle } from '../../src/storage/bundles.js';
import { recordErasure } from '../../src/storage/erasures.js';
import { listSteps } from '../../src/storage/run-steps.js';
import { createWorkbench, type Workbench } from './workbench.js';

const schema = {
  properties: { id: { type: 'integer' }, items: { type: ['null', 'array'], items: { type: 'object' } } },
};
const MESSAGES = [
  { type: 'SCHEMA', stream: 'tap', schema, key_properties: ['id'] },
  { type: 'RECORD', stream: 'tap', record: { id: 1, items: [{ a: 1 }, { a: 2 }] } },
  { type: 'STATE', value: { at: 1 } },
];
const ORDERS = [
  {
    id: 1,
    customer: 41,
    lines: [
      { sku: 'x', qty: 1, taxes: [{ rate: 7 }] },
      { sku: 'y', qty: 2 },
    ],
    tags: ['a'],
  },
  { id: 2, customer: 42, lines: [{ sku: 'x', qty: 3, taxes: [{ rate: 7 }, { rate: 19 }] }], tags: ['b', 'c'] },
];
/** The example of the how-to page: its source, its records, its SELECT and what that gives. */
const [SETTINGS, RECORDS, SELECT, SHOWN] = [
  ...readFileSync(new URL('../../docs/how-to/child-tables.md', import.meta.url), 'utf8').matchAll(
    /^```\w*\n([^]*?)^```/gm,
  ),
].map(([, text]) => text!) as [string, string, string, string];
const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

let bench: Workbench;
let api: Server;
let result: EltResult;
beforeAll(async () => {
  const pages = [
    { next: 2, rows: [{ id: 1, items: [{ a: 1 }] }] },
    { rows: [{ id: 2, items: [{ a: 2.5 }] }, { id: 3 }] },
  ];
  api = createServer((request, response) => {
    const page = Number(new URL(request.url!, 'http://a').searchParams.get('cursor') ?? 1);
    response.setHeader('content-type', 'application/json').end(JSON.stringify(pages[page - 1]));
  });
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  bench = await createWorkbench({
    'plumbline.yaml': `name: shop
sources:
  orders:
    path: data/orders.ndjson
    primary_key: id
    write: merge
    children:
      lines: { columns: { qty: bigint }, children: taxes }
      tags:
  api:
    type: http
    url: http://127.0.0.1:${(api.address() as AddressInfo).port}
    allow_private: true
    resources:
      things: { path: /things, records: rows, pagination: { type: cursor, token: next }, children: items }
  code: { type: plugin, module: sources/code.mjs, children: [items] }
  tap: { type: singer, command: [sh, -c, cat taps/tap.jsonl], discover: false, children: { items: { table: tap_things } } }
${SETTINGS.replace(/^[^]*?sources:\n/, '')}personal: { customer: { sources: { orders: customer } } }
`,
    'data/orders.ndjson': lines(ORDERS),
    'data/receipts.ndjson': RECORDS,
    'sql/receipt_lines.sql': SELECT,
    'taps/tap.jsonl': lines(MESSAGES),
    'sources/code.mjs': `export default { *code() { yield { id: 1n, items: [{ a: 1 }, { a: 'x' }] }; } };`,
    'sql/sold.sql': `select sku, sum(qty) as sold from {{ source('orders', 'lines') }} group by 1`,
    'tests/unit/sold.yaml': `unit_tests:
  - name: adds_up
    model: sold
    given: [{ input: "source('orders', 'lines')", rows: [{ sku: x, qty: 1 }, { sku: x, qty: 2 }] }]
    expect: { rows: [{ sku: x, sold: 3 }] }
`,
  });
  const { run, plan } = await bench.open('first', ['elt']);
  result = await bench.elt(run, plan);
  await bench.close(run);
});
afterAll(async () => {
  await bench.destroy();
  api.close();
});

async function rows(sql: string): Promise<string[]> {
  const found = await bench.test.database.query<{ row: string }>(`SELECT concat_ws(' ', ${sql}`);
  return found.map(({ row }) => row);
}

it('makes child tables of what every kind of source gives, and SQL reads them by name', async () => {
  expect(result.loads.map(({ resource, tableRows, children }) => [resource, tableRows, ...children!.map(({ table, rows: n }) => `${table} ${n}`)])).toEqual([
    ['orders', 2, 'shop_dev_raw.orders_lines 3', 'shop_dev_raw.orders_lines_taxes 3', 'shop_dev_raw.orders_tags 3'],
    ['api.things', 3, 'shop_dev_raw.api_things_items 2'],
    ['code', 1, 'shop_dev_raw.code_items 2'],
    ['tap', 1, 'shop_dev_raw.tap_things 2'],
    ['receipts', 2, 'shop_dev_raw.receipts_lines 3', 'shop_dev_raw.receipts_lines_taxes 2', 'shop_dev_raw.receipts_tags 1'],
  ]); // prettier-ignore
  expect(await rows('_parent_row_number, _index, a) AS row FROM shop_dev_raw.api_things_items ORDER BY a')).toEqual([
    '1 0 1',
    '2 0 2.5',
  ]);
  expect(await rows('_parent_id, a) AS row FROM shop_dev_raw.tap_things ORDER BY a')).toEqual(['1 1', '1 2']);
  expect(await rows('sku, sold) AS row FROM shop_dev.sold ORDER BY 1')).toEqual(['x 4', 'y 2']);
  const example = await rows(`shop, _index, sku, price) AS row FROM shop_dev.receipt_lines ORDER BY shop DESC, _index`);
  expect(example).toEqual(SHOWN.trim().split('\n').map((line) => line.replaceAll(/ +/g, ' '))); // prettier-ignore
  const shown = renderSteps(await listSteps(bench.test.database, 'first')).map(({ line }) => line).join('\n'); // prettier-ignore
  expect(shown).toContain('2 rows   0 rejected   + 3 lines, 3 lines_taxes, 3 tags');
  const project = await loadProject({ root: bench.root });
  const { given, sql } = compileUnitTest(project.unitTests[0]!, project);
  expect(given.map(({ table }) => table)).toEqual(['"pg_temp"."orders_lines"']);
  expect(sql).not.toContain('shop_dev_raw');
  const dependencies = { database: bench.test.database, store: openDirectoryStore(join(bench.root, '.plumbline', 'store')), cacheDir: join(bench.root, '.plumbline', 'cache'), threads: 1, log: pino({ level: 'silent' }) }; // prettier-ignore
  const { bundle } = await bench.ref('first');
  await saveBundle(bench.test.database, { ...bundle, project: 'shop', git_commit: null, git_dirty: null, files: {} });
  const nodes = await describeLineage(dependencies, { runId: 'first', env: 'dev', project: 'shop', bundle: bundle.digest, options: { root: bench.root } }); // prettier-ignore
  const sold = nodes.find(({ id }) => id === 'transform sold')!;
  expect(sold.from).toEqual(['source orders.lines']);
  expect(sold.columns!.map(({ from }) => from[0])).toMatchObject([{ node: 'source orders.lines', column: 'sku' }, { column: 'qty' }]); // prettier-ignore
  expect(nodes.find(({ id }) => id === 'source orders.lines')).toMatchObject({
    step: 'load:orders',
    table: { schema: 'shop_dev_raw', name: 'orders_lines' },
    from: ['object data/orders.ndjson'],
  });
});

it('builds what reads a child table anew when only elements changed, and loads all of it again when one is gone', async () => {
  await bench.write({ 'data/orders.ndjson': lines([{ ...ORDERS[0], lines: [{ sku: 'y', qty: 5 }] }]) });
  const second = await bench.open('second', ['elt']);
  await bench.elt(second.run, second.plan);
  await bench.close(second.run);
  expect(await rows('sku, sold) AS row FROM shop_dev.sold ORDER BY 1')).toEqual(['x 3', 'y 5']);
  await bench.test.database.execute('DROP TABLE shop_dev_raw.code_items');
  const third = await bench.open('third', ['elt']);
  const again = await bench.elt(third.run, third.plan);
  await bench.close(third.run);
  expect(again.loads.find(({ resource }) => resource === 'code')!.children).toMatchObject([{ rows: 2 }]);
});

it('forgets child rows with the row that they came with, of every depth', async () => {
  const scope = { env: 'dev', project: 'shop', key: 'customer' };
  await recordErasure(bench.test.database, { ...scope, erasureId: 'e', value: '42', dryRun: false, requestedBy: 'me', reason: 'asked' }); // prettier-ignore
  const { env, project, bundle, root, searchAttributes } = await bench.ref('none');
  const { erased } = await bench.call('forgetKey', { env, project, bundle, root, searchAttributes, erasureId: 'e', key: 'customer' }); // prettier-ignore
  const tables = erased.filter(({ kind }) => kind === 'table').map(({ place, rows: n }) => `${place} ${n}`);
  expect(tables).toEqual([
    'shop_dev_raw.orders 1',
    'shop_dev_raw.orders_lines 1',
    'shop_dev_raw.orders_lines_taxes 2',
    'shop_dev_raw.orders_tags 2',
  ]);
  expect(await rows('_parent_id, sku) AS row FROM shop_dev_raw.orders_lines')).toEqual(['1 y']);
  // What comes again is taken out before it has child rows.
  await bench.write({ 'data/orders.ndjson': lines(ORDERS) });
  const { run, plan } = await bench.open('again', ['elt']);
  await bench.elt(run, plan);
  await bench.close(run);
  expect(await rows('_parent_id, sku) AS row FROM shop_dev_raw.orders_lines ORDER BY sku')).toEqual(['1 x', '1 y']);
  expect(await rows('_root_id, rate) AS row FROM shop_dev_raw.orders_lines_taxes')).toEqual(['1 7']);
});

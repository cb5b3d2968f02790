import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { ErasureResult } from '../../src/contracts/erasure.js';
import { collectGarbage } from '../../src/retention/collect-garbage.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import { saveBundle } from '../../src/storage/bundles.js';
import { recordErasure } from '../../src/storage/erasures.js';
import { createWorkbench, type Workbench } from './workbench.js';

// Two environments that loaded the same bytes into one database and one store.
const PROJECT = `name: shop
environments: { prod: {} }
sources:
  orders: { path: orders.csv }
  copy: { path: orders.csv }
  letters: { path: letters.json, format: json }
  visits: { path: visits.csv }
personal:
  customer:
    sources: { orders: customer_id, letters: customer_id, seeds.names: customer_id }
    tables: { customers: who }
`;
const ORDERS = 'order_id,customer_id\n1,1\n2,3\n3,3\n4,4\n5,2\n';

let bench: Workbench;
beforeAll(async () => {
  bench = await createWorkbench({
    'plumbline.yaml': PROJECT,
    'orders.csv': ORDERS,
    'letters.json': '[{"customer_id":3,"n":1},{"customer_id":4,"n":2}]',
    'visits.csv': 'visit,who,customer_id\n1,3,9\n2,4,9\n',
    'seeds/names.csv': 'customer_id,name\n3,Ann\n4,Bob\n',
    'sql/customers.sql': `select customer_id as who, count(*) as orders from {{ source('orders') }} group by 1`,
    'sql/totals.sql': `select sum(orders) as orders from {{ ref('customers') }}`,
    'sql/others.sql': `select count(*) as visits from {{ source('visits') }}`,
  });
  await run('first');
  await run('theirs', { env: 'prod' });
});
afterAll(() => bench.destroy());

async function run(runId: string, more: object = {}): Promise<Record<string, string>> {
  const { run: ref, plan } = await bench.open(runId, ['elt'], more);
  const { loads } = await bench.elt(ref, plan);
  await bench.close(ref);
  return Object.fromEntries(loads.map(({ resource, rowsRead, rowsLoaded }) => [resource, `${rowsRead} ${rowsLoaded}`]));
}
async function forget(erasureId: string, value: string, env = 'dev', dryRun = false): Promise<ErasureResult> {
  const scope = { env, project: 'shop', key: 'customer' };
  await recordErasure(bench.test.database, { ...scope, erasureId, value, dryRun, requestedBy: 'me' });
  return again(erasureId, env);
}
async function again(erasureId: string, env = 'dev'): Promise<ErasureResult> {
  const { project, bundle, root, searchAttributes } = await bench.ref('none');
  return bench.call('forgetKey', { env, project, bundle, root, searchAttributes, erasureId, key: 'customer' });
}
const gc = (collectionId: string, env = 'dev') =>
  collectGarbage({
    database: bench.test.database,
    store: base(),
    env,
    project: 'shop',
    // Everything is older than a negative grace.
    retention: { rawMs: 0, runsMs: 0, graceMs: -5_000 },
    collectionId,
    startedBy: 'test',
    dryRun: false,
  });
async function column(sql: string): Promise<string[]> {
  const rows = await bench.test.database.query<{ v: string }>(sql);
  return rows.map(({ v }) => v);
}
const counts = (env: string, resource: string) =>
  column(`SELECT concat_ws(' ', rows_read, rows_loaded, rows_rejected, rows_duplicate, rows_forgotten) AS v FROM plumbline.loads
          WHERE env = '${env}' AND resource = '${resource}' ORDER BY load_id DESC LIMIT 1`);
const base = () => openDirectoryStore(join(bench.root, '.plumbline', 'store'));
const objectOf = async (path: string): Promise<string> =>
  (
    await column(`SELECT sha256 AS v FROM plumbline.raw_objects WHERE path = '${path}' ORDER BY seen_at DESC LIMIT 1`)
  )[0]!;

it('forgets in one environment whatever it is killed at, and leaves the other its rows, its objects and its name', async () => {
  const orders = await objectOf('orders.csv');
  const letters = await objectOf('letters.json');
  const tried = await forget('try', '3', 'dev', true);
  expect(tried.left.join('\n')).toMatch(/orders.csv \w{64} has rows of whom .* and belongs to shop \(prod\) too/);
  await recordErasure(bench.test.database, { env: 'dev', project: 'shop', key: 'customer', erasureId: 'dev', value: '3', dryRun: false, requestedBy: 'me' }); // prettier-ignore
  for (const point of ['forget.rewritten', 'forget.before-sweep']) {
    vi.stubEnv('PLUMBLINE_FAILPOINTS', `${point}=error`);
    await expect(again('dev'), point).rejects.toThrow(`failpoint ${point}`);
  }
  vi.unstubAllEnvs();
  const report = await again('dev');
  const counted = report.erased.filter(({ kind }) => kind === 'raw object').map(({ place, rows, outcome }) => [place.split(' ')[0], rows, outcome]); // prettier-ignore
  expect(counted.sort()).toEqual([['letters.json', 1, 'deleted'], ['orders.csv', 2, 'rewritten'], ['seeds/names.csv', 1, 'rewritten']]); // prettier-ignore
  const left = report.left.join('\n');
  for (const path of ['orders.csv', 'letters.json', 'seeds/names.csv'])
    expect(left).toMatch(new RegExp(`${path} \\w{64} .*belongs to shop \\(prod\\) too`));
  // The project does not have it, the store does for the other.
  expect((await bench.store.read(orders)).toString()).toBe('order_id,customer_id\n1,1\n4,4\n5,2\n');
  expect(await bench.store.has(letters)).toBe(false);
  expect((await base().read(orders)).toString()).toBe(ORDERS);
  expect(await base().has(letters)).toBe(true);

  expect(await run('forced', { force: true, env: 'prod' })).toMatchObject({
    orders: '5 5',
    copy: '5 5',
    letters: '2 2',
  });
  expect(await counts('prod', 'orders')).toEqual(['5 5 0 0 0']);
  expect(await run('own', { force: true })).toMatchObject({ orders: '5 3', letters: '2 1', 'seeds.names': '2 1' });
  expect(await counts('dev', 'orders')).toEqual(['5 3 0 0 2']);
  // Of the same file under another name, whose rows are nobody's, and which loads with others.
  expect(await counts('dev', 'copy')).toEqual(['5 3 0 0 2']);
  expect(await counts('dev', 'letters')).toEqual(['2 1 0 0 1']);
});

it('names seeds with the bundles that hold them, and tables with any column of the key', async () => {
  const files = { 'seeds/names.csv': 'a'.repeat(64) };
  await saveBundle(bench.test.database, { digest: 'withTheSeed0', artifact: 'b'.repeat(64), project: 'shop', git_commit: null, git_dirty: null, files }); // prettier-ignore
  const { left } = await forget('named', '3');
  expect(left.filter((line) => line.startsWith('Seed '))).toEqual([
    expect.stringMatching(/^Seed seeds.names \(seeds\/names.csv\) .*\(withTheSeed0\)/) as string,
  ]);
  expect(left.filter((line) => line.includes('is not named under'))).toEqual([
    expect.stringMatching(/^shop_dev_raw.visits has 1 row with this who /) as string,
  ]);
});

it('what was made from a table that lost rows is made anew by the next run, and nothing else', async () => {
  await forget('rebuilt', '2');
  expect(await column('SELECT orders::text AS v FROM shop_dev.totals')).toEqual(['3']);
  await run('next');
  expect(await column('SELECT orders::text AS v FROM shop_dev.totals')).toEqual(['2']);
  const reasons = async (runId: string) =>
    column(`SELECT step || ': ' || status || ' ' || coalesce(reason, '') AS v FROM plumbline.run_steps WHERE run_id = '${runId}' AND step LIKE 'transform:%' ORDER BY step`); // prettier-ignore
  expect(await reasons('next')).toEqual([
    'transform:customers: succeeded changed: forgotten in source orders',
    'transform:others: reused unchanged',
    'transform:totals: succeeded changed: ref customers, forgotten in ref customers',
  ]);
  await run('after');
  for (const line of await reasons('after')) expect(line).toContain('reused unchanged');
});

it('gc keeps the original for whoever has it, then deletes it, and a file that comes back loads without the person', async () => {
  const original = await objectOf('orders.csv');
  const [replacement] = await column(`SELECT replacement AS v FROM plumbline.redactions WHERE env = 'dev' AND sha256 = '${original}'`); // prettier-ignore
  await gc('both');
  expect([await base().has(original), await base().has(replacement!)]).toEqual([true, true]);
  // Prod forgets the customer too: nobody works with the object as it was.
  const { left } = await forget('prod', '3', 'prod');
  expect(left.join('\n')).not.toMatch(/orders.csv \w{64}/);
  expect([await base().has(original), await base().has(replacement!)]).toEqual([false, true]);

  await bench.write({ 'orders.csv': 'order_id,customer_id\n9,4\n' });
  await run('other file');
  await run('other file too', { env: 'prod' });
  await gc('theirs', 'prod');
  vi.stubEnv('PLUMBLINE_FAILPOINTS', 'gc.swept=error');
  await expect(gc('late')).rejects.toThrow('failpoint gc.swept');
  vi.unstubAllEnvs();
  await gc('late');
  expect(await base().has(replacement!)).toBe(false);

  await bench.write({ 'orders.csv': ORDERS });
  expect(await run('back')).toMatchObject({ orders: '5 2' });
  expect(await counts('dev', 'orders')).toEqual(['5 2 0 0 3']);
  expect(await column('SELECT customer_id::text AS v FROM shop_dev_raw.orders ORDER BY 1')).toEqual(['1', '4']);
  expect(await run('back again', { force: true })).toMatchObject({ orders: '5 2' });
  // A collection that is not stopped takes the line with the object.
  await forget('once more', '3');
  expect(await readFile(await bench.store.localPath(original), 'utf8')).not.toContain(',3\n');
  await bench.write({ 'orders.csv': 'order_id,customer_id\n10,4\n' });
  await run('gone again');
  await gc('last');
  expect(await column(`SELECT sha256 AS v FROM plumbline.redactions WHERE env = 'dev' AND sha256 = '${original}'`)).toEqual([]); // prettier-ignore
});

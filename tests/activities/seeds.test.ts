import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { createWorkbench, type Workbench } from './workbench.js';

let bench: Workbench;
afterEach(() => bench.destroy());

it('a seed travels with the code, is loaded with its types, and what refers to it follows its content', async () => {
  bench = await createWorkbench({
    'plumbline.yaml': `name: shop
sources: { sales: { path: '*.csv', write: replace } }
seeds: { shops: { columns: { code: text }, primary_key: code } }
tests: { named: [{ relationships: { column: code, to: shops, field: code } }] }
`,
    'sales.csv': 'code,units\n007,3\n',
    'seeds/shops.csv': 'code,name\n007,Harbour\n008,Station\n',
    'sql/named.sql': "SELECT s.code, s.name FROM {{ ref('shops') }} s\n",
  });
  const first = await bench.open('run-1');
  // Whoever works on the run has the seed from its bundle.
  await rm(join(bench.root, 'seeds'), { recursive: true });
  const { loads, transforms } = await bench.elt(first.run, first.plan);
  await bench.close(first.run);
  expect(loads.map(({ resource, tableRows }) => [resource, tableRows])).toEqual([
    ['sales', 1],
    ['seeds.shops', 2],
  ]);
  expect(transforms).toMatchObject([{ transform: 'named', rows: 2, testsPassed: 1 }]);
  const names = () => bench.test.database.query('SELECT code, name FROM shop_dev.named ORDER BY code');
  expect(await names()).toEqual([
    { code: '007', name: 'Harbour' },
    { code: '008', name: 'Station' },
  ]);

  // As many bytes as before.
  await bench.write({ 'seeds/shops.csv': 'code,name\n007,Harbour\n009,Station\n' });
  const second = await bench.open('run-2');
  const { lines } = await bench.call('explainPlan', { run: second.run });
  expect(lines.map(({ step, reason }) => `${step}: ${reason}`)).toEqual([
    'load:sales: unchanged',
    'load:seeds.shops: changed: seeds/shops.csv',
    'transform:named: after load:seeds.shops',
  ]);
  await bench.elt(second.run, second.plan);
  await bench.close(second.run);
  expect((await names())[1]).toEqual({ code: '009', name: 'Station' });
});

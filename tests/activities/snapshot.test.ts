import { afterEach, expect, it } from 'vitest';
import { createWorkbench, type Workbench } from './workbench.js';

let bench: Workbench;
afterEach(() => bench.destroy());

const YAML = 'name: shop\nvars: { least: 0 }\nsources: { prices: { path: a.csv, primary_key: item } }\n';
const SNAPSHOT = `-- unique_key: item
-- check_cols: all
SELECT item, price, _load_id FROM {{ source('prices') }} WHERE price > {{ var('least') }}
`;
const MACRO = '{% macro half(x) %}{{ x }} / 2{% endmacro %}\n';

it('a snapshot keeps its history over changed rows, changed code and --force; plan says what it does and why', async () => {
  bench = await createWorkbench({
    'plumbline.yaml': YAML,
    'a.csv': 'item,price\n1,10\n2,20\n',
    'seeds/names.csv': 'item,name\n1,Tea\n',
    'macros/m.sql': MACRO,
    'snapshots/prices.sql': SNAPSHOT,
    'sql/now.sql': `SELECT p.item, n.name, {{ half('price') }} AS price FROM {{ ref('prices') }} p
      LEFT JOIN {{ ref('names') }} n USING (item) WHERE dbt_valid_to IS NULL\n`,
  });
  let runs = 0;
  /** What the plan says of the snapshot and of the table that reads it. */
  const planned = async (force = false): Promise<unknown[]> => {
    const { lines } = await bench.call('explainPlan', { run: await bench.ref('plan', { force }) });
    const reasonOf = (step: string): unknown => lines.find((line) => line.step === step)!.reason;
    return [reasonOf('transform:prices'), reasonOf('transform:now')];
  };
  /** New states, all states. */
  const runOnce = async (force = false): Promise<unknown[]> => {
    const { run, plan } = await bench.open(`run-${++runs}`, ['elt'], { force });
    const { transforms } = await bench.elt(run, plan);
    await bench.close(run);
    const [all] = await bench.test.database.query<{ states: number }>(
      'SELECT count(*)::int AS states FROM shop_dev.prices',
    );
    return [transforms.find(({ transform }) => transform === 'prices')?.incrementRows, all!.states];
  };
  expect(await planned()).toEqual(['after load:prices, history kept', 'after load:seeds.names, transform:prices']);
  expect(await runOnce()).toEqual([2, 2]);
  expect(await planned()).toEqual(['unchanged', 'unchanged']);
  await bench.write({ 'a.csv': 'item,price\n1,11\n2,20\n' });
  expect(await planned()).toEqual(['after load:prices, history kept', 'after transform:prices']);
  expect(await runOnce()).toEqual([1, 3]);
  await bench.write({ 'snapshots/prices.sql': SNAPSHOT.replace('item, price', 'item, price + 1 AS price') });
  expect(await planned()).toEqual(['changed: snapshots/prices.sql, history kept', 'after transform:prices']);
  expect(await runOnce(true)).toEqual([2, 5]);
  expect(await runOnce(true)).toEqual([0, 5]);
  // Only what a change reaches is built: a macro and a seed the reader, a var the snapshot and with it the reader.
  await bench.write({ 'macros/m.sql': '{% macro half(x) %}{{ x }} / 2.0{% endmacro %}\n' });
  expect(await planned()).toEqual(['unchanged', 'changed: macro half']);
  await bench.write({ 'macros/m.sql': MACRO, 'seeds/names.csv': 'item,name\n1,Chai\n' });
  expect(await planned()).toEqual(['unchanged', 'after load:seeds.names']);
  await bench.write({ 'plumbline.yaml': YAML.replace('least: 0', 'least: 15') });
  expect(await planned()).toEqual(['changed: var least, history kept', 'after load:seeds.names, transform:prices']);
});

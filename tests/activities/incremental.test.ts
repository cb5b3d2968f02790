import { afterEach, expect, it } from 'vitest';
import { createWorkbench, type Workbench } from './workbench.js';

let bench: Workbench;
afterEach(() => bench.destroy());

const SQL = `-- materialized: incremental
-- unique_key: id
SELECT id, units FROM {{ source('sales') }}
{% if is_incremental() %}WHERE id > (SELECT max(id) FROM {{ this }}){% endif %}
`;

it('an incremental table takes new rows, rests without any, and is built whole when its code changes', async () => {
  bench = await createWorkbench({
    'plumbline.yaml': 'name: shop\nsources: { sales: { path: a.csv } }\ntests: { kept: [{ row_count: { min: 1 } }] }\n',
    'a.csv': 'id,units\n1,10\n2,20\n',
    'sql/kept.sql': SQL,
    'sql/total.sql': "SELECT sum(units)::int AS units FROM {{ ref('kept') }}\n",
  });
  let runs = 0;
  const runOnce = async (): Promise<unknown[]> => {
    const { run, plan } = await bench.open(`run-${++runs}`);
    const { lines } = await bench.call('explainPlan', { run });
    const { transforms } = await bench.elt(run, plan);
    await bench.close(run);
    const [total] = await bench.test.database.query<{ units: number }>('SELECT units FROM shop_dev.total');
    return [lines.find(({ step }) => step === 'transform:kept')!.reason, transforms[0]!.incrementRows, total!.units];
  };
  expect(await runOnce()).toEqual(['after load:sales, built whole', undefined, 30]);
  expect(await runOnce()).toEqual(['unchanged', undefined, 30]);

  // Row 1 changed too, which this SELECT does not look at again: the table keeps what it had.
  await bench.write({ 'a.csv': 'id,units\n1,11\n2,20\n3,30\n' });
  expect(await runOnce()).toEqual(['after load:sales, new rows only', 1, 60]);
  expect(await runOnce()).toEqual(['unchanged', 1, 60]);

  await bench.write({ 'sql/kept.sql': SQL.replace('units FROM', 'units + 0 AS units FROM') });
  expect(await runOnce()).toEqual(['changed: sql/kept.sql, built whole', undefined, 61]);

  // The files of before again: the table is not what it was then, and what reads it must know.
  await bench.write({ 'a.csv': 'id,units\n1,10\n2,20\n' });
  expect(await runOnce()).toEqual(['after load:sales, new rows only', 0, 61]);

  await bench.write({
    'plumbline.yaml': 'name: shop\nsources: { sales: { path: a.csv } }\ntests: { kept: [{ row_count: { min: 2 } }] }\n',
  });
  expect(await runOnce()).toEqual(['changed: tests, new rows only', 0, 61]);
});

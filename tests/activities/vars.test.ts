import { afterEach, expect, it } from 'vitest';
import { createWorkbench, type Workbench } from './workbench.js';

let bench: Workbench;
afterEach(() => bench.destroy());

const yaml = (vars: string): string => `name: shop
vars: { ${vars} }
sources: { sales: { path: a.csv } }
environments: { prod: { vars: { tax: 0.5 } } }
`;

it('vars and macros reach the table, and plan names the one that changed', async () => {
  bench = await createWorkbench({
    'plumbline.yaml': yaml('tax: 0.2, floor: 1'),
    'a.csv': 'day,cents\n2025-01-01,1000\n2025-01-02,50\n',
    'macros/money.sql': '{% macro euros(column) %}({{ column }} / 100.0)::numeric(9, 2){% endmacro %}\n',
    'sql/gross.sql': "SELECT day, {{ euros('cents') }} * {{ 1 + var('tax') }} AS euros FROM {{ source('sales') }}\n",
    'sql/plain.sql':
      "-- tests: [{ sql: \"SELECT 1 FROM {{ this }} WHERE n < {{ var('floor') }}\" }]\nSELECT count(*) AS n FROM {{ source('sales') }}\n",
  });
  const first = await bench.open('run-1');
  await bench.elt(first.run, first.plan);
  await bench.close(first.run);
  expect(await bench.test.database.query('SELECT euros::float8 FROM shop_dev.gross ORDER BY day')).toEqual([
    { euros: 12 },
    { euros: 0.6 },
  ]);

  let plans = 0;
  const planned = async (): Promise<unknown> => {
    const { run } = await bench.open(`plan-${++plans}`);
    const { lines } = await bench.call('explainPlan', { run });
    await bench.close(run);
    return lines.map(({ step, action, reason }) => `${step} ${action}: ${reason}`);
  };
  const unchanged = [
    'load:sales reuse: unchanged',
    'transform:gross reuse: unchanged',
    'transform:plain reuse: unchanged',
  ];
  expect(await planned()).toEqual(unchanged);
  await bench.write({ 'plumbline.yaml': yaml('tax: 0.3, floor: 2') });
  expect(await planned()).toEqual([
    'load:sales reuse: unchanged',
    'transform:gross run: changed: var tax',
    'transform:plain run: changed: var floor',
  ]);
  await bench.write({ 'plumbline.yaml': yaml('tax: 0.2, floor: 1') });
  await bench.write({
    'macros/money.sql':
      '{% macro euros(column) %}({{ column }} / 100)::numeric(9, 2){% endmacro %}\n{% macro more() %}{% endmacro %}\n',
  });
  expect(await planned()).toEqual([unchanged[0], 'transform:gross run: changed: macro euros', unchanged[2]]);
});

import { afterEach, expect, it } from 'vitest';
import { renderSteps } from '../../src/cli/render-run.js';
import type { StepRow } from '../../src/storage/run-steps.js';
import { createWorkbench, type Workbench } from './workbench.js';

let bench: Workbench;
afterEach(() => bench.destroy());

it('a warning is counted, stored and shown, and blocks nothing', async () => {
  bench = await createWorkbench({
    'plumbline.yaml': `name: shop
sources: { sales: { path: a.csv } }
tests:
  daily:
    - not_null: units
    - accepted_range: { column: units, max: 100 }
      severity: warn
`,
    'a.csv': 'day,units\n2025-01-01,10\n2025-01-02,1000\n',
    'sql/daily.sql': "SELECT day, units FROM {{ source('sales') }}\n",
  });
  const { run, plan } = await bench.open('run-1');
  const { transforms } = await bench.elt(run, plan);
  await bench.close(run);
  expect(transforms).toMatchObject([
    {
      rows: 2,
      testsPassed: 1,
      warnings: [{ test: 'accepted_range(units, ..100)', failures: 1, at: { file: 'plumbline.yaml', line: 6 } }],
    },
  ]);
  const steps = await bench.test.database.query<StepRow>(
    `SELECT * FROM plumbline.run_steps WHERE step = 'transform:daily'`,
  );
  const [shown] = renderSteps(steps);
  expect(shown!.line).toContain('1 test passed, 1 warned');
  expect(shown!.line).toContain('warning: accepted_range(units, ..100) failed on 1 (plumbline.yaml:6)');

  // Renamed, a source is another one: the table of the former is there, and nothing loads it.
  const warned = async () => (await bench.call('explainPlan', { run: await bench.ref('plan') })).warnings;
  expect(await warned()).toEqual([]);
  await bench.write({
    'plumbline.yaml': 'name: shop\nsources: { sold: { path: a.csv } }\n',
    'sql/daily.sql': "SELECT day, units FROM {{ source('sold') }}\n",
  });
  const left = 'shop_dev_raw.sales is left from sales, which is no source any more: nothing loads it. Drop it once nobody reads it.'; // prettier-ignore
  expect(await warned()).toEqual([left]);
  await bench.test.database.execute('DROP TABLE shop_dev_raw.sales CASCADE');
  expect(await warned()).toEqual([]);
});

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
});

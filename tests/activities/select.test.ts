import { afterEach, expect, it } from 'vitest';
import type { RunRef } from '../../src/contracts/run.js';
import { createWorkbench, type Workbench } from './workbench.js';

let bench: Workbench;
afterEach(() => bench.destroy());

let runs = 0;
/** Steps that the run planned, and what became of them. */
async function runOnce(more: Partial<RunRef>): Promise<unknown[]> {
  const { run, plan } = await bench.open(`run-${++runs}`, ['elt'], more);
  const { lines } = await bench.call('explainPlan', { run });
  await bench.elt(run, plan);
  await bench.close(run);
  const steps = await bench.test.database.query<{ step: string; status: string }>(
    `SELECT step, status FROM plumbline.run_steps WHERE run_id = $1 AND step !~ '^extract|#' ORDER BY step`,
    [run.runId],
  );
  expect(lines.map(({ step }) => step).sort()).toEqual(steps.map(({ step }) => step));
  return steps.map(({ step, status }) => `${step} ${status}`);
}

it('transform builds without loading, and a selection leaves the rest alone in plan and run', async () => {
  bench = await createWorkbench({
    'plumbline.yaml': 'name: shop\nsources: { sales: { path: a.csv } }\n',
    'a.csv': 'day,units\n2025-01-01,10\n',
    'sql/daily.sql': "SELECT day, units FROM {{ source('sales') }}\n",
    'sql/other.sql': "SELECT count(*) AS n FROM {{ source('sales') }}\n",
    'sql/total.sql': "SELECT sum(units)::int AS units FROM {{ ref('daily') }}\n",
  });
  const all = ['load:sales', 'transform:daily', 'transform:other', 'transform:total'].map(
    (step) => `${step} succeeded`,
  );
  expect(await runOnce({})).toEqual(all);

  await bench.write({
    'a.csv': 'day,units\n2025-01-01,11\n',
    'sql/daily.sql': "SELECT day, units + 0 AS units FROM {{ source('sales') }}\n",
    'sql/other.sql': "SELECT count(*) + 0 AS n FROM {{ source('sales') }}\n",
  });
  expect(await runOnce({ only: 'transform', select: ['daily+'] })).toEqual([
    'transform:daily succeeded',
    'transform:total succeeded',
  ]);
  // The file that changed meanwhile was not loaded.
  expect(await bench.test.database.query('SELECT units FROM shop_dev.total')).toEqual([{ units: 10 }]);

  await bench.write({ 'sql/daily.sql': "SELECT day, 2 * units AS units FROM {{ source('sales') }}\n" });
  expect(await runOnce({ only: 'transform', select: ['total'] })).toEqual(['transform:total reused']);
  expect(await runOnce({})).toEqual(all);
  expect(await bench.test.database.query('SELECT units FROM shop_dev.total')).toEqual([{ units: 22 }]);

  // What was dropped by hand is built again, and so the plan says.
  const { run } = await bench.open('run-dropped', ['elt'], {});
  const planned = async () =>
    (await bench.call('explainPlan', { run })).lines.map(({ step, action, reason }) => `${step} ${action} ${reason}`);
  await bench.test.database.execute('DROP TABLE shop_dev.total');
  expect(await planned()).toEqual([
    'load:sales reuse unchanged',
    'transform:daily reuse unchanged',
    'transform:other reuse unchanged',
    'transform:total run its table is gone',
  ]);
  await bench.test.database.execute('DROP TABLE shop_dev_raw.sales CASCADE');
  expect((await planned())[0]).toBe('load:sales run its table is gone');
  await bench.close(run);

  // Sources by name, without what reads them.
  await bench.write({
    'plumbline.yaml': `name: shop
sources: { sales: { path: a.csv }, crm: { resources: { people: { path: a.csv }, teams: { path: a.csv } } } }
`,
    'a.csv': 'day,units\n2025-01-01,12\n',
  });
  expect(await runOnce({ only: 'load', select: ['crm.teams', 'sales'] })).toEqual([
    'load:crm.teams succeeded',
    'load:sales succeeded',
  ]);
  expect(await runOnce({ only: 'load', select: ['crm'] })).toEqual([
    'load:crm.people succeeded',
    'load:crm.teams reused',
  ]);
  await bench.write({ 'a.csv': 'day,units\n2025-01-01,13\n' });
  expect(await runOnce({ only: 'load', exclude: ['crm'] })).toEqual(['load:sales succeeded']);
  expect(await runOnce({ only: 'load', select: ['crm', 'sales'], exclude: ['crm.people'] })).toEqual([
    'load:crm.teams succeeded',
    'load:sales reused',
  ]);
  expect(await runOnce({ only: 'transform', select: ['daily+'], exclude: ['total'] })).toEqual(['transform:daily succeeded']); // prettier-ignore
  expect(await runOnce({ only: 'transform', exclude: ['+total'] })).toEqual(['transform:other succeeded']);
  await expect(runOnce({ only: 'transform', select: ['total'], exclude: ['daily+'] })).rejects.toThrow(
    'Selecting total without daily+ failed: nothing is left.',
  );
  await bench.test.database.execute('DELETE FROM plumbline.leases');
  await expect(runOnce({ only: 'transform', exclude: ['toatl'] })).rejects.toThrow(/Selecting toatl failed/);
  await bench.test.database.execute('DELETE FROM plumbline.leases');
  await expect(runOnce({ only: 'transform', select: ['dialy'] })).rejects.toThrow(/Selecting dialy failed/);
  await bench.test.database.execute('DELETE FROM plumbline.leases');
  await expect(runOnce({ only: 'load', select: ['crm.team'] })).rejects.toThrow(/Selecting crm.team to load failed/);
});

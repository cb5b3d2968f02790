import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findEnded, type WorkflowEnds } from '../../src/alerts/find-ended.js';
import { createWorkflowEnds } from '../../src/client/workflow-ends.js';
import { loadSettings } from '../../src/config.js';
import { deploymentWorkflowId } from '../../src/contracts/queues.js';
import { markCancelled, markChildCancelled } from '../../src/storage/runs.js';
import { createWorkbench, type Workbench } from '../activities/workbench.js';
import { startTestTemporal, type TestTemporal } from '../setup/temporal.js';

let bench: Workbench;
let temporal: TestTemporal;
let connection: Connection;
let ends: WorkflowEnds;
beforeAll(async () => {
  [bench, temporal] = await Promise.all([
    createWorkbench({
      'plumbline.yaml': 'name: shop\nsources: { sales: { path: a.csv } }\nalerts: { webhook: env:ALERT_URL }\n',
      'a.csv': 'id\n1\n',
    }),
    startTestTemporal(),
  ]);
  connection = await Connection.connect({ address: temporal.address });
  const settings = await loadSettings({ cwd: bench.root, env: { TEMPORAL_ADDRESS: temporal.address } });
  ends = createWorkflowEnds(settings);
}, 60_000);
afterAll(async () => {
  await connection?.close();
  await temporal?.stop();
  await bench?.destroy();
});

const { stringify } = JSON;
const query = (sql: string) => bench.test.database.query(sql);
const alerts = () => query(`SELECT subject, payload->'error'->>'code' AS code FROM plumbline.alerts ORDER BY subject`);
const statusOf = async (runId: string) => (await query(`SELECT status FROM plumbline.runs WHERE run_id = '${runId}'`))[0]?.['status']; // prettier-ignore
/** A workflow that no worker takes up. */
const startWorkflow = (workflowId: string, runId?: string) =>
  new Client({ connection }).workflow.start('pipeline', {
    taskQueue: 'nobody',
    workflowId,
    ...(runId === undefined ? {} : { memo: { runId } }),
  });

it('a run whose workflow was ended in Temporal is closed and told of; one that runs, waits or is unknown is left alone', async () => {
  await bench.open('gone', ['elt']);
  const handle = await startWorkflow('w', 'gone');
  await findEnded(bench.test.database, ends);
  expect(await statusOf('gone')).toBe('running');
  await handle.terminate('by a test');
  // Its lease has not run out: an activity may still be at work.
  await findEnded(bench.test.database, ends);
  expect(await statusOf('gone')).toBe('running');
  await query(`UPDATE plumbline.leases SET expires_at = now() - interval '1 second' RETURNING 1`);
  await bench.test.database.execute(
    `INSERT INTO plumbline.runs (run_id, env, project, workflow_id, stages, bundle, status, started_by)
     VALUES ('unknown', 'dev', 'shop', 'never started', '{elt}', 'b', 'running', 'ann')`,
  );
  await Promise.all([findEnded(bench.test.database, ends), findEnded(bench.test.database, ends)]);
  expect(await query(`SELECT status, error->>'code' AS code, error->>'message' AS message FROM plumbline.runs WHERE run_id = 'gone'`)).toEqual([
    { status: 'failed', code: 'RUN_ENDED_OUTSIDE', message: 'Run gone ended in Temporal as terminated before it could close itself.' },
  ]); // prettier-ignore
  expect(await query(`SELECT DISTINCT status FROM plumbline.run_steps WHERE run_id = 'gone'`)).toEqual([{ status: 'skipped' }]); // prettier-ignore
  expect(await statusOf('unknown')).toBe('running');
  expect(await alerts()).toEqual([{ subject: 'gone', code: 'RUN_ENDED_OUTSIDE' }]);

  // The next run takes over.
  const next = await bench.open('next', ['elt']);
  expect((await bench.elt(next.run, next.plan)).loads).toMatchObject([{ rowsLoaded: 1 }]);
  await bench.close(next.run);
});

it('a cancellation is told of unless somebody asked for it with plumbline', async () => {
  await query('DELETE FROM plumbline.alerts RETURNING 1');
  const marks = {
    'in-temporal': async () => {},
    'by-command': () => markCancelled(bench.test.database, 'by-command', 'ann'),
    'by-backfill': async () => {
      await query(`UPDATE plumbline.runs SET started_by = 'backfill b1' WHERE run_id = 'by-backfill' RETURNING 1`);
      await markChildCancelled(bench.test.database, { env: 'dev', project: 'shop' }, 'backfill', 'ann');
    },
  };
  for (const [runId, mark] of Object.entries(marks)) {
    const { run } = await bench.open(runId, ['elt']);
    await mark();
    await bench.close(run, 'cancelled');
  }
  expect(await alerts()).toEqual([{ subject: 'in-temporal', code: 'RUN_ENDED_OUTSIDE' }]);
});

it('a deployment that was ended in Temporal no longer waits', async () => {
  const { run } = await bench.open('deploys', ['elt']);
  await bench.close(run);
  await bench.test.database.execute(
    `INSERT INTO plumbline.run_steps (run_id, step, stage, position, status, result)
     VALUES ('deploys', 'register', 'training', 8, 'succeeded', $1), ('deploys', 'deploy', 'deployment', 9, 'running', NULL)`,
    [stringify({ model: 'm', version: 3 })],
  );
  const step = () =>
    query(`SELECT status, error->>'message' AS message FROM plumbline.run_steps WHERE step = 'deploy'`);
  const handle = await startWorkflow(deploymentWorkflowId('dev', 'shop', 'm', 3));
  await findEnded(bench.test.database, ends);
  expect(await step()).toEqual([{ status: 'running', message: null }]);
  await handle.terminate('by a test');
  await findEnded(bench.test.database, ends);
  expect(await step()).toEqual([
    { status: 'failed', message: 'The deployment of m v3 ended in Temporal as terminated; what serves stays.' },
  ]);
});

import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { abandonLoads } from '../../../src/elt/load/abandon-loads.js';
import { sweepStages } from '../../../src/elt/load/sweep-stages.js';
import { openWorkbench, resourceOf, schemas, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

const sweep = async (): Promise<string[]> => {
  await abandonLoads({ database: bench.database, env: 'dev', project: 'demo' });
  return sweepStages({ database: bench.database, schemas });
};

test('a stage that somebody reads is left for the next sweep, and holds up nothing', async () => {
  const resource = resourceOf({ path: '*.csv' });
  await bench.write('a.csv', 'id\n1\n');
  await bench.write('b.csv', 'id\n2\n');
  const names = (await bench.stage(resource)).map(({ loadId }) => `load_${loadId}`);
  await bench.database.execute(
    `INSERT INTO plumbline.runs (run_id, env, project, workflow_id, stages, bundle, status, started_by)
     VALUES ('run-1', 'dev', 'demo', 'w', '{}', 'b', 'cancelled', 'test')`,
  );
  const dump = new pg.Client({ connectionString: bench.url });
  await dump.connect();
  await dump.query(`BEGIN; LOCK TABLE ${schemas.stage}.${names[0]} IN ACCESS SHARE MODE`);
  expect(await sweep()).toEqual([names[1]]);
  expect(await bench.stages()).toEqual([names[0]]);
  expect(await bench.database.query('SELECT DISTINCT status FROM plumbline.loads')).toEqual([{ status: 'failed' }]);
  await dump.end();
  expect(await sweep()).toEqual([names[0]]);
  expect(await bench.stages()).toEqual([]);
}, 20_000);

import { afterAll, beforeAll, expect, it } from 'vitest';
import { listLoads } from '../../src/storage/loads.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

let test: TestDatabase;
beforeAll(async () => void (test = await createTestDatabase()));
afterAll(() => test.drop());

it('lists the newest loads first, also from the tenth on', async () => {
  await test.database.execute(
    `INSERT INTO plumbline.loads (env, project, resource, unit, generation, path, sha256, settings, status, stage_schema, run_id)
     SELECT 'dev', 'shop', 'orders', 'unit ' || n, 1, n || '.csv', '', '', 'published', 'stage', 'run' FROM generate_series(1, 11) AS n`,
  );
  const loads = await listLoads(test.database, { env: 'dev', project: 'shop' }, { limit: 3 });
  expect(loads.map(({ path }) => path)).toEqual(['11.csv', '10.csv', '9.csv']);
});

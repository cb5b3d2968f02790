import { afterAll, beforeAll, expect, it } from 'vitest';
import { saveBundle } from '../../src/storage/bundles.js';
import { createWorkbench, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await createWorkbench({
    'plumbline.yaml': 'name: shop\nsources: { a: { path: a.csv } }\n',
    'a.csv': 'id\n1\n',
  });
});
afterAll(() => bench.destroy());

it('a run whose archive is gone goes on with another one of the same code, and with that only', async () => {
  const { digest, artifact } = (await bench.ref('packed')).bundle;
  const gone = 'f'.repeat(64);
  const open = async (runId: string) => {
    const run = await bench.ref(runId, { bundle: { digest, artifact: gone } });
    return bench.call('openRun', { run, workflowId: 'w', stages: ['elt'], startedBy: 'schedule load' });
  };
  await expect(open('before')).rejects.toMatchObject({ cause: { code: 'STORE_OBJECT_MISSING' } });
  await bench.test.database.execute('DELETE FROM plumbline.leases');
  const code = { digest, project: 'shop', git_commit: null, git_dirty: null, files: {} };
  for (const one of [gone, artifact]) await saveBundle(bench.test.database, { ...code, artifact: one });
  expect(await open('after')).toMatchObject({ resources: ['a'] });
});

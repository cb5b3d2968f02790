import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LoadSummary } from '../../src/contracts/elt.js';
import { createWorkbench, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await createWorkbench({
    'plumbline.yaml': 'name: shop\nsources: { days: { path: d/*.csv, primary_key: id } }\n',
    'd/a.csv': 'id,v\n1,x\n2,y\n',
    'd/b.csv': 'id,v\n3,z\n',
    'd/copy.csv': 'id,v\n3,z\n',
  });
});
afterAll(() => bench.destroy());

let runs = 0;
async function load(force = false): Promise<LoadSummary> {
  const { run, plan } = await bench.open(`run-${++runs}`, ['elt'], { force });
  try {
    const { loads } = await bench.elt(run, plan);
    return loads[0]!;
  } finally {
    await bench.close(run);
  }
}
const ids = async (): Promise<unknown[]> =>
  (await bench.test.database.query<{ id: string }>('SELECT id FROM shop_dev_raw.days ORDER BY id')).map(({ id }) => id);

it('is not loaded again under another name, and a key that is there is refused', async () => {
  expect(await load()).toMatchObject({
    tableRows: 3,
    notices: ['d/copy.csv is not loaded: it has the content of d/b.csv.'],
  });
  await rename(join(bench.root, 'd/a.csv'), join(bench.root, 'd/moved.csv'));
  expect(await load()).toMatchObject({ tableRows: 3 });
  const plan = await bench.call('explainPlan', { run: await bench.ref('plan') });
  expect(plan.lines).toMatchObject([{ step: 'load:days', action: 'reuse' }]);
  // Loaded anew, the new name's rows are in place of the former's.
  expect(await load(true)).toMatchObject({ tableRows: 3 });
  expect(await ids()).toEqual(['1', '2', '3']);
  expect(
    await bench.test.database.query(`SELECT path FROM plumbline.loads WHERE status = 'published' ORDER BY path`),
  ).toEqual([{ path: 'd/b.csv' }, { path: 'd/moved.csv' }]);

  // The name of one goes to other content, its own to a new name.
  await rename(join(bench.root, 'd/moved.csv'), join(bench.root, 'd/moved.1.csv'));
  await bench.write({ 'd/moved.csv': 'id,v\n4,w\n' });
  expect(await load()).toMatchObject({ tableRows: 4 });
  expect(await ids()).toEqual(['1', '2', '3', '4']);

  await bench.write({ 'd/new.csv': 'id,v\n5,v\n2,other\n' });
  await expect(load()).rejects.toMatchObject({
    details: [
      {
        code: 'ELT_KEY_REPEATED',
        message:
          'Publishing days failed: the primary key id = 2 is in d/moved.1.csv row 2 and d/new.csv row 2; expected it once.',
      },
    ],
  });
  expect(await ids()).toEqual(['1', '2', '3', '4']);
});

it('counts a row that gave way to one of a later file as duplicate, in the run as in the ledger', async () => {
  const own = await createWorkbench({
    'plumbline.yaml': 'name: shop\nsources: { days: { path: d/*.csv, write: replace, primary_key: id } }\n',
    'd/a.csv': 'id,v\n1,x\n2,y\n',
    'd/b.csv': 'id,v\n2,z\n',
  });
  const counts: unknown[] = [];
  for (const content of ['id,v\n2,z\n', 'id,v\n3,z\n']) {
    await own.write({ 'd/b.csv': content });
    const { run, plan } = await own.open(`run-${counts.length}`, ['elt']);
    const { loads } = await own.elt(run, plan);
    await own.close(run);
    const [{ rowsRead, rowsLoaded, rowsDuplicate, tableRows }] = loads as [LoadSummary];
    counts.push([rowsRead, rowsLoaded, rowsDuplicate, tableRows]);
    const [ledger] = await own.test.database.query<{ loaded: number; duplicate: number }>(
      `SELECT sum(rows_loaded)::int AS loaded, sum(rows_duplicate)::int AS duplicate FROM plumbline.loads WHERE status = 'published'`,
    );
    expect([ledger!.loaded, ledger!.duplicate]).toEqual([rowsLoaded, rowsDuplicate]);
  }
  expect(counts).toEqual([[3, 2, 1, 2], [3, 3, 0, 3]]); // prettier-ignore
  await own.destroy();
});
it('made way for a later file under replace: it counts as a duplicate, and comes back when that file has its key no more', async () => {
  await bench.write({
    'plumbline.yaml': 'name: shop\nsources: { keyed: { path: k/*.csv, primary_key: id, write: replace } }\n',
    'k/a.csv': 'id,v\n1,a\n2,a\n',
    'k/b.csv': 'id,v\n1,b\n',
  });
  const rows = () => bench.test.database.query('SELECT id, v FROM shop_dev_raw.keyed ORDER BY id');
  expect(await load()).toMatchObject({ rowsRead: 3, rowsLoaded: 2, rowsDuplicate: 1, tableRows: 2 });
  expect(await rows()).toEqual([{ id: '1', v: 'b' }, { id: '2', v: 'a' }]);
  await bench.write({ 'k/b.csv': 'id,v\n3,b\n' });
  expect(await load()).toMatchObject({ rowsRead: 3, rowsLoaded: 3, rowsDuplicate: 0, tableRows: 3 });
  expect(await rows()).toEqual([{ id: '1', v: 'a' }, { id: '2', v: 'a' }, { id: '3', v: 'b' }]);
}); // prettier-ignore

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

it('that made way for a row of a later file counts as duplicate, in the run as in the ledger, and comes back', async () => {
  const own = await createWorkbench({
    'plumbline.yaml': 'name: shop\nsources: { days: { path: d/*.csv, write: replace, primary_key: id } }\n',
    'd/a.csv': 'id,v\n1,x\n2,y\n',
  });
  const seen: unknown[] = [];
  for (const content of ['id,v\n2,z\n', 'id,v\n3,z\n']) {
    await own.write({ 'd/b.csv': content });
    const { run, plan } = await own.open(`run-${seen.length}`, ['elt']);
    const { loads } = await own.elt(run, plan);
    await own.close(run);
    const [{ rowsRead, rowsLoaded, rowsDuplicate }] = loads as [LoadSummary];
    const [ledger] = await own.test.database.query<{ loaded: number; duplicate: number }>(
      `SELECT sum(rows_loaded)::int AS loaded, sum(rows_duplicate)::int AS duplicate FROM plumbline.loads WHERE status = 'published'`,
    );
    expect([ledger!.loaded, ledger!.duplicate]).toEqual([rowsLoaded, rowsDuplicate]);
    const [{ rows }] = await own.test.database.query<{ rows: string }>(`SELECT string_agg(id || v, ' ' ORDER BY id) AS rows FROM shop_dev_raw.days`) as [{ rows: string }]; // prettier-ignore
    seen.push([rowsRead, rowsLoaded, rowsDuplicate, rows]);
  }
  expect(seen).toEqual([[3, 2, 1, '1x 2z'], [3, 3, 0, '1x 2y 3z']]); // prettier-ignore
  await own.destroy();
});

it('is told of by a second attempt of its publication as by the first', async () => {
  const own = await createWorkbench({
    'plumbline.yaml': 'name: shop\nsources: { days: { path: d/*.csv, write: replace, primary_key: id } }\n',
    'd/a.csv': 'id,v\n1,x\n2,y\n',
    'd/b.csv': 'id,v\n2,z\n',
  });
  const { run } = await own.open('run-1', ['elt']);
  const { objects } = await own.call('extractResource', { run, resource: 'days' });
  const loads = await own.call('loadObjects', { run, resource: 'days', objects: [...objects] });
  const publish = () => own.call('publishResource', { run, resource: 'days', loads });
  const first = await publish();
  expect(first).toMatchObject({ rowsLoaded: 2, rowsDuplicate: 1 });
  expect(await publish()).toEqual(first);
  await own.close(run);
  await own.destroy();
});

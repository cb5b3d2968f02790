import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { publishResource } from '../../../src/elt/load/publish-resource.js';
import type { MergeConfig, ResourceConfig } from '../../../src/model/project.js';
import { openWorkbench, resourceOf, schemas, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());
afterEach(() => {
  delete process.env['PLUMBLINE_FAILPOINTS'];
});

function merged(id: string, merge: MergeConfig | undefined, more: Partial<ResourceConfig> = {}): ResourceConfig {
  return resourceOf({
    id,
    source: id,
    table: id,
    path: `${id}.csv`,
    write: 'merge',
    primaryKey: ['id'],
    ...(merge && { merge }),
    ...more,
  });
}

let runs = 0;
async function load(resource: ResourceConfig, csv: string, path = resource.path) {
  await bench.write(path, csv);
  return bench.run(resource, { runId: `run-${++runs}` });
}

/** Each row as one text, in the order of the table's keys. */
async function rows(table: string, columns: string): Promise<string[]> {
  const found = await bench.database.query<{ row: string }>(
    `SELECT concat_ws(' ', ${columns}) AS row FROM demo_dev_raw."${table}" ORDER BY ${columns}`,
  );
  return found.map(({ row }) => row);
}

/** States of each key: `1 a ended`, in the order in which they began. */
async function states(table: string): Promise<string[]> {
  const found = await bench.database.query<{ row: string }>(
    `SELECT concat_ws(' ', id, v, CASE WHEN _valid_to IS NULL THEN 'now' ELSE 'ended' END) AS row FROM demo_dev_raw."${table}" ORDER BY id, _valid_from`,
  );
  // A key is in one state at a time, and its states follow one another.
  const [broken] = await bench.database.query(
    `SELECT 1 FROM (SELECT _valid_from, _valid_to, lead(_valid_from) OVER (PARTITION BY id ORDER BY _valid_from) AS next FROM demo_dev_raw."${table}") AS s
     WHERE _valid_from >= _valid_to OR _valid_to > next OR (next IS NOT NULL AND _valid_to IS NULL)`,
  );
  expect(broken).toBeUndefined();
  return found.map(({ row }) => row);
}

test('delete-insert replaces all rows of the merge keys that come, whatever their number', async () => {
  const more = { primaryKey: [], path: 'orders/*.csv', maxRejectedShare: 0.5 };
  const orders = merged('orders', { strategy: 'delete-insert', key: ['id'] }, more);
  await load(orders, 'id,item\n1,a\n1,b\n1,c\n2,d\n,e\n3,f\n', 'orders/1.csv');
  await load(orders, 'id,item\n1,x\n3,y\n3,z\n', 'orders/2.csv');
  expect(await rows('orders', 'id, item')).toEqual(['1 x', '2 d', '3 y', '3 z']);
  // The first file again, changed: it is the newest now.
  await load(orders, 'id,item\n2,g\n2,h\n', 'orders/1.csv');
  expect(await rows('orders', 'id, item')).toEqual(['1 x', '2 g', '2 h', '3 y', '3 z']);
  expect(await bench.database.query(`SELECT reason FROM plumbline.rejects JOIN plumbline.loads USING (load_id) WHERE resource = 'orders'`)).toEqual([{ reason: 'the merge key is NULL' }]); // prettier-ignore
});

test('delete-insert takes the pages of an API as one, and the last of rows with one primary key', async () => {
  const lines = merged('lines', { strategy: 'delete-insert', key: ['order'] }, { type: 'http', path: 'lines/*.csv' });
  await bench.write('lines/1.csv', 'order,id,v\n7,1,a\n7,2,b\n');
  await load(lines, 'order,id,v\n7,2,moved\n7,3,c\n8,4,d\n', 'lines/2.csv');
  expect(await rows('lines', '"order", id, v')).toEqual(['7 1 a', '7 2 moved', '7 3 c', '8 4 d']);
  await bench.write('lines/1.csv', 'order,id,v\n7,5,e\n');
  await load(lines, 'order,id,v\n7,6,f\n', 'lines/2.csv');
  expect(await rows('lines', '"order", id, v')).toEqual(['7 5 e', '7 6 f', '8 4 d']);
});

test('a load that is published late does not undo a newer one', async () => {
  for (const strategy of ['delete-insert', 'scd2'] as const) {
    const id = `late_${strategy.replace('-', '_')}`;
    const late = merged(id, { strategy }, { path: `${id}/1.csv` });
    await bench.write(late.path, 'id,v\n1,old\n2,old\n');
    const older = await bench.stage(late);
    await load({ ...late, path: `${id}/2.csv` }, 'id,v\n1,new\n', `${id}/2.csv`);
    const options = { database: bench.database, env: 'dev', project: 'demo', schemas, runId: 'late' };
    await publishResource({ ...options, resource: late, loads: older });
    expect(await rows(id, 'id, v')).toEqual(['1 new', '2 old']);
  }
});

test('scd2 keeps each state of a row, closes what is gone, and changes nothing for the same rows', async () => {
  const staff = merged('staff', { strategy: 'scd2', closesGone: true, hardDelete: 'left' });
  await load(staff, 'id,v,left\n1,a,\n2,a,\n3,a,\n');
  expect(await states('staff')).toEqual(['1 a now', '2 a now', '3 a now']);
  // 1 changes, 2 stays, 3 is gone, 4 is new, 5 is deleted before it was ever there.
  const second = 'id,v,left\n1,b,\n2,a,\n4,a,\n5,a,2024-01-01\n';
  await load(staff, second);
  const after = ['1 a ended', '1 b now', '2 a now', '3 a ended', '4 a now'];
  expect(await states('staff')).toEqual(after);
  await bench.run(staff, { runId: 'run-forced', force: true });
  expect(await states('staff')).toEqual(after);
  // 2 is deleted by its marker, 3 comes back, 4 goes back to nothing, a column is new.
  await load(staff, 'id,v,left,town\n1,b,,\n2,a,2024-02-02,\n3,a,,\n4,,,\n');
  expect(await states('staff')).toEqual(['1 a ended', '1 b now', '2 a ended', '3 a ended', '3 a now', '4 a ended', '4 now']); // prettier-ignore
  // A row that cannot be read is not gone.
  const lenient = { ...staff, maxRejectedShare: 0.5, columns: { id: 'bigint' } as const };
  await load(lenient, 'id,v,left,town\n1,b,,\n3,a,,\nx4,,,\n');
  expect((await states('staff')).filter((state) => state.endsWith('now'))).toEqual(['1 b now', '3 a now', '4 now']);
});

test('scd2 of several files keeps the state that each of them brought', async () => {
  const prices = merged('prices', { strategy: 'scd2' }, { path: 'prices/*.csv' });
  await bench.write('prices/1.csv', 'id,v\n1,a\n2,a\n');
  await bench.write('prices/2.csv', 'id,v\n1,b\n');
  await load(prices, 'id,v\n1,b\n3,c\n', 'prices/3.csv');
  expect(await states('prices')).toEqual(['1 a ended', '1 b now', '2 a now', '3 c now']);
  // Pages of one answer that show a row twice: nobody saw the first state.
  const pages = merged('pages', { strategy: 'scd2' }, { type: 'http', path: 'pages/*.csv' });
  await bench.write('pages/1.csv', 'id,v\n1,a\n');
  await load(pages, 'id,v\n1,b\n', 'pages/2.csv');
  expect(await states('pages')).toEqual(['1 b now']);
});

test('scd2 of an API closes what no page has any more, whichever pages are new', async () => {
  const snapshot = merged('snapshot', { strategy: 'scd2', closesGone: true }, { type: 'http', path: 'snapshot/*.csv' });
  await bench.write('snapshot/1.csv', 'id,v\n1,a\n');
  await load(snapshot, 'id,v\n2,a\n3,a\n', 'snapshot/2.csv');
  await load(snapshot, 'id,v\n2,a\n', 'snapshot/2.csv');
  expect(await states('snapshot')).toEqual(['1 a now', '2 a now', '3 a ended']);
});

test('hard_delete removes rows by a boolean or a time, and a later row brings one back', async () => {
  const users = merged('users', { strategy: 'upsert', hardDelete: 'gone' });
  await load(users, 'id,v,gone\n1,a,false\n2,a,\n3,a,true\n');
  expect(await rows('users', 'id, v')).toEqual(['1 a', '2 a']);
  await load(users, 'id,v,gone\n1,b,true\n2,b,false\n3,b,false\n');
  expect(await rows('users', 'id, v')).toEqual(['2 b', '3 b']);
  await expect(load(merged('wrong', { strategy: 'upsert', hardDelete: 'goen' }), 'id\n1\n')).rejects.toMatchObject({
    code: 'ELT_COLUMN_UNKNOWN',
    message: expect.stringContaining('`merge.hard_delete` names column "goen"') as unknown,
  });
});

test('a table changes from upsert to scd2, and not back', async () => {
  const plain = merged('plain', undefined);
  await load(plain, 'id,v\n1,a\n2,a\n');
  const history = merged('plain', { strategy: 'scd2' });
  await load(history, 'id,v\n1,b\n');
  expect(await states('plain')).toEqual(['1 a ended', '1 b now', '2 a now']);
  for (const resource of [plain, { ...plain, write: 'append' as const }])
    await expect(load(resource, `id,v\n1,${resource.write}\n`)).rejects.toMatchObject({ code: 'ELT_MERGE_HISTORY' });
  expect(await states('plain')).toEqual(['1 a ended', '1 b now', '2 a now']);
});

test.each(['delete-insert', 'scd2'] as const)(
  '%s: an attempt that breaks changes nothing, or all of it once',
  async (strategy) => {
    const id = `broken_${strategy.replace('-', '_')}`;
    const resource = merged(id, { strategy, ...(strategy === 'scd2' && { closesGone: true }) });
    await load(resource, 'id,v\n1,a\n2,a\n');
    const after = strategy === 'scd2' ? ['1 a', '1 b', '2 a', '3 c'] : ['1 b', '2 a', '3 c'];
    process.env['PLUMBLINE_FAILPOINTS'] = `publish.before-commit=error@${strategy === 'scd2' ? 2 : 1}`;
    await expect(load(resource, 'id,v\n1,b\n3,c\n')).rejects.toThrow('failpoint');
    expect(await rows(id, 'id, v')).toEqual(['1 a', '2 a']);
    process.env['PLUMBLINE_FAILPOINTS'] = `publish.after-commit=error@${strategy === 'scd2' ? 2 : 1}`;
    await expect(bench.run(resource, { runId: 'again' })).rejects.toThrow('failpoint');
    expect(await rows(id, 'id, v')).toEqual(after);
    delete process.env['PLUMBLINE_FAILPOINTS'];
    expect((await bench.run(resource, { runId: 'again' })).published.status).toBe('unchanged');
    expect(await rows(id, 'id, v')).toEqual(after);
  },
);

import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ResourceConfig } from '../../../src/model/project.js';
import { literal } from '../../../src/model/sql-identifier.js';
import { openWorkbench, resourceOf, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

const of = (table: string, path: string, more: Partial<ResourceConfig> = {}) =>
  resourceOf({ id: table, source: table, table, path, ...more });

test('a file of any format that may be empty empties its table, which keeps columns and types', async () => {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const parquet = join(bench.root, 'p.parquet');
  await connection.run(`COPY (SELECT 1 AS id) TO ${literal(parquet)} (FORMAT parquet)`);
  const files = [
    ['c.csv', 'id\n1\n', 'id\n'],
    ['nothing.csv', 'id\n1\n', ''],
    ['d.json', '[{"id": 1}]', '[]'],
    ['n.ndjson', '{"id": 1}\n', ''],
    ['p.parquet', undefined, undefined],
  ] as const;
  for (const [path, full, empty] of files) {
    const resource = of(path.split('.')[0]!, path, { primaryKey: ['id'], allowEmpty: true });
    // Without a table there are no columns yet.
    if (empty !== undefined) {
      await bench.write(path, empty);
      await expect(bench.run(resource)).rejects.toMatchObject({ code: 'ELT_SOURCE_EMPTY' });
      await bench.write(path, full);
    }
    expect((await bench.run(resource)).published).toMatchObject({ rows: 1 });
    if (empty === undefined)
      await connection.run(`COPY (SELECT 1 AS id WHERE false) TO ${literal(parquet)} (FORMAT parquet)`); // prettier-ignore
    else await bench.write(path, empty);
    await expect(bench.run({ ...resource, allowEmpty: false })).rejects.toMatchObject({
      code: expect.stringMatching(/^ELT_(FILE_|SOURCE_EMPTY)/) as string,
    });
    const { loads, published } = await bench.run(resource);
    expect(loads).toMatchObject([{ rowsRead: 0, notices: [`${path} has no rows.`] }]);
    expect(published).toMatchObject({ rows: 0, typesChanged: [] });
    expect(await bench.rows(resource.table, 'id')).toEqual([]);
  }
  connection.closeSync();
  instance.closeSync();
});

test('a table is not emptied because a source that had it before had no rows', async () => {
  const former = of('was', 'was*.csv', { allowEmpty: true });
  for (const content of ['id\n1\n', 'id\n2\n', 'id\n']) {
    await bench.write('was.csv', content);
    await bench.run(former);
  }
  const now = { ...former, id: 'is', allowEmpty: false };
  await bench.write('was.csv', 'id\n3\n');
  await bench.run(now);
  await bench.write('was.csv', 'id\n');
  await expect(bench.run(now)).rejects.toMatchObject({ code: 'ELT_SOURCE_EMPTY' });
  expect(await bench.rows('was', 'id')).toEqual([{ id: '3' }]);
});

test('among others a file may have a header only, in which ever order, but not take former rows away', async () => {
  const days = of('days', 'days-*.csv', { write: 'append', columns: { id: 'bigint' }, primaryKey: ['id'] });
  await bench.write('days-1.csv', 'id,v\n');
  await bench.write('days-2.csv', 'id,v\n7,x\n');
  const { loads, published } = await bench.run(days);
  expect(loads).toMatchObject([{ rowsRead: 0, notices: ['days-1.csv has no rows.'] }, { rowsLoaded: 1 }]);
  expect(published).toMatchObject({ rows: 1 });
  // Another load of the same is no news; a merge by key takes such a file too.
  expect((await bench.run(days)).published).toMatchObject({ status: 'unchanged' });
  expect((await bench.run(of('merged', 'days-*.csv', { write: 'merge', primaryKey: ['id'] }))).published).toMatchObject(
    {
      rows: 1,
    },
  );
  expect((await bench.run(of('anew', 'days-*.csv', { write: 'replace' }))).published).toMatchObject({ rows: 1 });

  await bench.write('days-2.csv', 'id,v\n');
  await expect(bench.run(days)).rejects.toMatchObject({
    code: 'ELT_SOURCE_EMPTY',
    message: expect.stringContaining('days-2.csv has no rows any more, and 1 of its former content') as string,
  });
  expect(await bench.rows('days', 'id, v')).toEqual([{ id: '7', v: 'x' }]);
  expect((await bench.run({ ...days, allowEmpty: true })).published).toMatchObject({ rows: 0 });

  await bench.write('days-3.csv', '');
  await expect(bench.run(days)).rejects.toMatchObject({ code: 'ELT_FILE_EMPTY' });
});

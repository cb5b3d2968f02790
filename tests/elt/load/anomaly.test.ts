import { afterAll, beforeAll, expect, test } from 'vitest';
import { publishResource } from '../../../src/elt/load/publish-resource.js';
import type { AnomalyConfig } from '../../../src/model/project.js';
import { openWorkbench, resourceOf, schemas, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

const csv = (rows: number, version: number, isNull = (_row: number): boolean => false): string =>
  `id,v,n\n${Array.from({ length: rows }, (_, row) => `${row},${version},${isNull(row) ? '' : row}`).join('\n')}\n`;
const rowsOf = async (table: string) =>
  (await bench.database.query(`SELECT count(*)::int AS rows, min(v)::int AS v FROM demo_dev_raw."${table}"`))[0];

const resource = resourceOf({ id: 't', source: 't', table: 't', path: 't.csv' });
let version = 0;
async function publish(mode: AnomalyConfig['mode'], content: (version: number) => string, acceptAnomaly = false) {
  version++;
  await bench.write(resource.path, content(version));
  const guarded = { ...resource, anomaly: { mode, minHistory: 2 } };
  const loads = await bench.stage(guarded, { runId: `run-${version}` });
  const run = { database: bench.database, env: 'dev', project: 'demo', schemas, runId: `run-${version}` };
  return publishResource({ ...run, resource: guarded, loads, acceptAnomaly });
}

test('an anomaly keeps the published table, warns, or begins a new history when a person accepts it', async () => {
  for (const rows of [100, 98]) await publish('fail', (at) => csv(rows, at));
  await expect(publish('fail', (at) => csv(10, at))).rejects.toMatchObject({
    code: 'ELT_ANOMALY',
    message: expect.stringContaining('10 rows, expected 60 to 138 (median 99 of 2 publications)') as unknown,
    next: expect.stringContaining('--accept-anomaly') as unknown,
  });
  await expect(publish('fail', (at) => csv(100, at, (row) => row < 30))).rejects.toMatchObject({
    message: expect.stringContaining('column n is NULL in 30 % of the rows, expected 0 % to 4 %') as unknown,
  });
  expect(await rowsOf('t')).toEqual({ rows: 98, v: 2 });
  expect(await publish('fail', (at) => csv(10, at), true)).toMatchObject({ status: 'published', rows: 10 });
  // Nothing is an anomaly until the new history is long enough.
  expect((await publish('fail', (at) => csv(12, at))).anomalies).toEqual([]);
  expect((await publish('warn', (at) => csv(100, at))).anomalies).toEqual([
    '100 rows, expected 0 to 24 (median 11 of 2 publications)',
  ]);
  expect((await publish('off', (at) => csv(20, at))).anomalies).toEqual([]);
  expect(await rowsOf('t')).toEqual({ rows: 20, v: 8 });
});

test('a table is not emptied by files without rows, or with none that can be loaded', async () => {
  const strict = { ...resource, columns: { v: 'bigint' } as const, maxRejectedShare: 1 };
  await bench.write('t.csv', 'id,v,n\n');
  await expect(bench.run({ ...resource, path: '?.csv' })).rejects.toMatchObject({ code: 'ELT_SOURCE_EMPTY' });
  await expect(bench.run(resource)).rejects.toMatchObject({ code: 'ELT_FILE_HEADER_ONLY' });
  await bench.write('t.csv', 'id,v,n\n1,x,1\n');
  await expect(bench.run(strict)).rejects.toMatchObject({ code: 'ELT_SOURCE_EMPTY' });
  expect(await rowsOf('t')).toEqual({ rows: 20, v: 8 });
  await bench.run({ ...strict, allowEmpty: true });
  expect(await rowsOf('t')).toEqual({ rows: 0, v: null });
});

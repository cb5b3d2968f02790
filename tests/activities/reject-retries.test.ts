import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { correctable } from '../../src/cli/rejects-command.js';
import type { LoadSummary } from '../../src/contracts/elt.js';
import type { LoadColumn } from '../../src/elt/schema/column.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import { findLoad, listLoads, readRejects, rejectsByReason, retriesOf } from '../../src/storage/loads.js';
import { createWorkbench, type Workbench } from './workbench.js';

const YAML = (more: string): string => `name: shop
sources:
  visits: { path: visits.csv, primary_key: day, max_rejected: 60%, write: replace${more} }
`;
const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const scope = { env: 'dev', project: 'shop' };

let bench: Workbench;
beforeAll(async () => {
  bench = await createWorkbench({
    'plumbline.yaml': YAML(', columns: { visitors: bigint }'),
    // Row 3 has no number, row 4 is two fields too long, row 6 comes again as row 7, row 8 has no number.
    'visits.csv': 'day,visitors\n1,10\n2,20\n3,closed\n4,40,x,y\n5,50\n6,60\n6,61\n1,"n/a"\n',
    'sql/total.sql': "SELECT sum(visitors) AS visitors FROM {{ source('visits') }}\n",
  });
});
afterAll(() => bench.destroy());
afterEach(() => {
  delete process.env['PLUMBLINE_FAILPOINTS'];
});

const table = () => bench.test.database.query('SELECT day::int, visitors::text, _row_number::int AS row FROM shop_dev_raw.visits ORDER BY 1, 3'); // prettier-ignore
const counts = async (loadId: string) => {
  const load = (await findLoad(bench.test.database, scope, loadId))!;
  return [load.rows_read, load.rows_loaded, load.rows_rejected, load.rows_duplicate];
};

/** What a command of the built program prints in the project. */
async function printed(...words: string[]): Promise<string> {
  const env = { ...process.env, PLUMBLINE_DATABASE_URL: bench.test.url };
  return (await promisify(execFile)(process.execPath, [CLI, ...words], { cwd: bench.root, env })).stdout;
}

async function exportRows(loadId: string): Promise<string> {
  const load = (await findLoad(bench.test.database, scope, loadId))!;
  const lines: string[] = [];
  const rows = readRejects(bench.test.database, scope, { loadId, kind: 'rejected' });
  for await (const line of correctable(rows, load.reader!.columns as LoadColumn[])) lines.push(line);
  return lines.join('');
}

async function retry(runId: string, loadId: string, csv?: string): Promise<LoadSummary> {
  const path = join(bench.root, 'fixed.csv');
  if (csv !== undefined) await writeFile(path, csv);
  const store = openDirectoryStore(join(bench.root, '.plumbline', 'store'));
  const file = csv === undefined ? {} : { file: { name: 'fixed.csv', sha256: (await store.putFile(path)).sha256 } };
  const { run } = await bench.open(runId, ['elt'], { rejects: { loadId, resource: 'visits', ...file } });
  try {
    return await bench.call('retryRejects', { run });
  } finally {
    await bench.close(run);
  }
}

it('brings corrected rows into the load that they came with, once, and keeps the others', async () => {
  const first = await bench.open('run-1', ['elt']);
  const { loads, transforms } = await bench.elt(first.run, first.plan);
  await bench.close(first.run);
  expect(loads).toMatchObject([{ rowsRead: 8, rowsLoaded: 4, rowsRejected: 3, rowsDuplicate: 1 }]);
  const { loadId } = loads[0]!.objects[0]!;
  expect(await listLoads(bench.test.database, scope, { resource: 'visits', limit: 5 })).toMatchObject([
    { load_id: loadId, path: 'visits.csv', status: 'published', run_id: 'run-1', rows_rejected: 3 },
  ]);
  expect(await rejectsByReason(bench.test.database, loadId)).toMatchObject([
    { rows: 2, column_name: 'visitors', first_line: 4 },
    { rows: 1, kind: 'rejected', reason: 'too many fields: 4, expected 2' },
    { rows: 1, kind: 'duplicate' },
  ]);

  const [shown, csv] = await Promise.all([printed('rejects', 'list'), printed('rejects', 'list', '--csv')]);
  expect(shown).toMatch(/5\s+4,40,x,y\s+too many fields: 4, expected 2/);
  expect(csv).toContain('"too many fields: 4, expected 2","4,40,x,y"\n');
  const exported = await exportRows(loadId);
  expect(exported).toBe(
    '"_row_number","_reason","day","visitors"\n' +
      '"3","line 4, column visitors, got ""closed"": expected a whole number of at most 64 bits (bigint)","3","closed"\n' +
      '"4","line 5: too many fields: 4, expected 2; the row is: 4,40,x,y",,\n' +
      '"8","line 9, column visitors, got ""n/a"": expected a whole number of at most 64 bits (bigint)","1","n/a"\n',
  );
  await expect(retry('run-w', loadId, 'day,visitors\n3,30\n')).rejects.toThrow('has no column _row_number');
  await expect(retry('run-2', loadId, '_row_number,day,visitors\n3,3,30\n3,3,31\n')).rejects.toThrow('twice');
  await expect(retry('run-n', '999', '_row_number,day,visitors\n3,3,30\n')).rejects.toThrow('no such load');

  // Row 8 has the key of row 1, which is earlier; row 4 is as wrong as before; row 5 was never rejected.
  const fixed = '_row_number,day,visitors\n3,3,0\n8,1,11\n4,4,many\n5,5,55\n';
  process.env['PLUMBLINE_FAILPOINTS'] = 'retry.before-commit=error';
  await expect(retry('run-3', loadId, fixed)).rejects.toThrow('failpoint');
  expect(await counts(loadId)).toEqual([8, 4, 3, 1]);
  expect(await table()).toHaveLength(4);

  process.env['PLUMBLINE_FAILPOINTS'] = 'retry.after-commit=error';
  await expect(retry('run-4', loadId, fixed)).rejects.toThrow('failpoint');
  const again = await bench.ref('run-4', { rejects: { loadId, resource: 'visits' } });
  await bench.test.database.execute(`UPDATE plumbline.runs SET status = 'running' WHERE run_id = 'run-4'`);
  await bench.call('openRun', { run: again, workflowId: 'w', stages: ['elt'], startedBy: 'test' });
  const summary = await bench.call('retryRejects', { run: again });
  expect(summary).toMatchObject({
    tableRows: 5,
    rowsLoaded: 5,
    rowsRejected: 1,
    retried: { accepted: 2, rejected: 1 },
  });
  const [built] = await Promise.all([bench.call('buildTransform', { run: again, transform: 'total' })]);
  await bench.close(again);
  expect(await table()).toEqual([
    { day: 1, visitors: '11', row: 8 },
    { day: 2, visitors: '20', row: 2 },
    { day: 3, visitors: '0', row: 3 },
    { day: 5, visitors: '50', row: 5 },
    { day: 6, visitors: '61', row: 7 },
  ]);
  // The former row 1 is a duplicate now.
  expect(await counts(loadId)).toEqual([8, 5, 1, 2]);
  expect(await rejectsByReason(bench.test.database, loadId)).toMatchObject([
    { rows: 1, kind: 'rejected', column_name: 'visitors' },
    { rows: 1, kind: 'duplicate' },
  ]);
  expect(await retriesOf(bench.test.database, loadId)).toMatchObject([
    { run_id: 'run-4', rows_accepted: 2, rows_rejected: 1 },
  ]);
  expect(built.version).not.toBe(transforms[0]!.version);

  // The file is what it was: the next run leaves the corrected rows alone.
  const next = await bench.open('run-5', ['elt']);
  expect((await bench.elt(next.run, next.plan)).loads[0]).toMatchObject({ tableRows: 5 });
  await bench.close(next.run);
  expect(await table()).toHaveLength(5);
  // What a retry left of row 4 is its text, which no type makes a row of two fields.
  await expect(retry('run-6', loadId)).rejects.toThrow('none of its 1 can be read again');
});

it('reads the rows as they were kept by a type that is declared since', async () => {
  const loadId = (await listLoads(bench.test.database, scope, { limit: 1 }))[0]!.load_id;

  await bench.write({ 'plumbline.yaml': YAML(', columns: { visitors: bigint }'), 'visits.csv': 'day,visitors\n1,one\n2,2\n' }); // prettier-ignore
  const run = await bench.open('run-7', ['elt']);
  const { loads } = await bench.elt(run.run, { ...run.plan, transforms: [] });
  await bench.close(run.run);
  expect(loads).toMatchObject([{ rowsLoaded: 1, rowsRejected: 1 }]);
  await bench.write({ 'plumbline.yaml': YAML(', columns: { visitors: text }') });
  await expect(retry('run-8', loadId)).rejects.toThrow('it is replaced, expected published');
  expect(await retry('run-9', loads[0]!.objects[0]!.loadId)).toMatchObject({ tableRows: 2, rowsRejected: 0 });
  expect((await table()).map(({ visitors }) => visitors)).toEqual(['one', '2']);
  expect(await counts(loads[0]!.objects[0]!.loadId)).toEqual([2, 2, 0, 0]);
});

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copyFile, mkdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EltResult } from '../../src/contracts/elt.js';
import { createWorkbench, type Workbench } from './workbench.js';

const example = new URL('../../examples/sec-13f', import.meta.url).pathname;

interface Edgar {
  readonly url: string;
  readonly log: { path: string; status: number; atMs: number; agent: string | undefined }[];
  close(): Promise<void>;
}
type StartEdgar = (options?: Partial<Record<'cut' | 'slow' | 'busy', Record<string, number>>>) => Promise<Edgar>;
const { startEdgar } = (await import(`${example}/edgar/server.mjs`)) as { startEdgar: StartEdgar };
let bench: Workbench;
let edgar: Edgar;
let first: EltResult;

beforeAll(async () => {
  edgar = await startEdgar();
  const files: Record<string, string> = {};
  for (const folder of ['.', 'inventory', 'parsers', 'seeds', 'sql'])
    for (const entry of await readdir(join(example, folder), { withFileTypes: true }))
      if (entry.isFile()) files[join(folder, entry.name)] = await readFile(join(example, folder, entry.name), 'utf8');
  files['plumbline.yaml'] = files['plumbline.yaml']!.replace('http://127.0.0.1:8013', edgar.url);
  bench = await createWorkbench(files);
  await mkdir(join(bench.root, 'data'));
  await copyFile(join(example, 'data/2013q2_form13f.zip'), join(bench.root, 'data/2013q2_form13f.zip'));
  first = await run('run-1');
}, 60_000);
afterAll(async () => {
  await bench.destroy();
  await edgar.close();
});

async function run(runId: string): Promise<EltResult> {
  const { run, plan } = await bench.open(runId, ['elt'], { project: 'sec-13f' });
  const result = await bench.elt(run, plan).finally(async () => {
    console.log(await bench.test.database.query(`SELECT step, status, ended_at - started_at AS t, reason FROM plumbline.run_steps ORDER BY started_at`));
    console.log(await bench.test.database.query(`SELECT * FROM plumbline.rejects`), edgar.log.map((l) => `${l.status} ${l.path} ${Math.round(l.atMs)}`));
  });
  await bench.close(run);
  return result;
}

const one = async (sql: string): Promise<Record<string, unknown>> =>
  (await bench.test.database.query(`SELECT row_to_json(q) AS row FROM (${sql}) AS q`.replaceAll('main.', 'sec_13f_dev.').replaceAll('raw.', 'sec_13f_dev_raw.')))[0]!['row'] as Record<string, unknown>; // prettier-ignore

it('x', async () => {
  console.log(JSON.stringify(first, null, 1));
  console.log(edgar.log.length);
});

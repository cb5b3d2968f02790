/**
 * The SEC's data set of a quarter, seven TSV files in a zip archive, into seven typed tables: extract, load and publish of examples/sec-13f,
 * beside COPY of the same files, unpacked, into tables that are typed already (what psql's \copy sends). Prints seconds, the median of five.
 *
 * PLUMBLINE_DATABASE_URL=postgres://… npm run bench -- sec-13f
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { extractFiles } from '../src/elt/extract/extract-files.js';
import { withZipMembers } from '../src/elt/extract/zip-members.js';
import { groupObjects } from '../src/elt/load/group-objects.js';
import { loadObjects } from '../src/elt/load/load-objects.js';
import { publishResource } from '../src/elt/load/publish-resource.js';
import type { ResourceConfig } from '../src/model/project.js';
import { identifier, qualified } from '../src/model/sql-identifier.js';
import { loadProject } from '../src/project/load-project.js';
import { openDirectoryStore } from '../src/storage/artifact-store.js';
import { openDatabase } from '../src/storage/database.js';
import { migrate } from '../src/storage/migrations.js';

const ROUNDS = 5;
const url = process.env['PLUMBLINE_DATABASE_URL'];
if (url === undefined) throw new Error('PLUMBLINE_DATABASE_URL is not set');
await migrate(url);
const database = openDatabase({ url });
const root = fileURLToPath(new URL('../examples/sec-13f', import.meta.url));
const { schemas, resources } = await loadProject({ root });
// The replay's own file: what a server adds is none of what is measured.
const archive = 'edgar/files/structureddata/data/form-13f-data-sets/2013q2_form13f.zip';
const tables = resources.filter(({ source }) => source === 'dataset').map((one) => ({ ...one, path: archive }));
const folder = await mkdtemp(join(tmpdir(), 'plumbline-bench-'));
const base = { database, env: 'bench', project: 'sec-13f', schemas };

/** Every round loads anew: a store and generations of its own. */
async function load(round: number): Promise<number> {
  const store = openDirectoryStore(join(folder, `store-${round}`));
  const runId = `run-${round}`;
  let rows = 0;
  await Promise.all(
    tables.map(async (resource) => {
      const objects = await extractFiles({ ...base, store, root, resource, runId, now: new Date() });
      const loads = [];
      let start = 0;
      for (const length of groupObjects(resource, objects)) {
        const group = objects.slice(start, (start += length));
        loads.push(...(await loadObjects({ ...base, store, resource, objects: group, runId, force: true })));
      }
      rows += (await publishResource({ ...base, resource, loads, runId })).rows;
    }),
  );
  return rows;
}

const fileOf = ({ member }: ResourceConfig): string => join(folder, member!);

async function copy(): Promise<void> {
  await Promise.all(
    tables.map((resource) =>
      database.session(async (session) => {
        const like = qualified(schemas.raw, resource.table);
        const table = qualified(schemas.stage, `copy_${resource.table}`);
        await session.execute(
          `DROP TABLE IF EXISTS ${table}; CREATE TABLE ${table} (LIKE ${like}); ALTER TABLE ${table} DROP _load_id, DROP _row_number, DROP _loaded_at`,
        );
        await session.copyFrom(
          `COPY ${table} FROM STDIN (FORMAT csv, DELIMITER E'\\t', QUOTE E'\\b', HEADER true)`,
          createReadStream(fileOf(resource)),
        );
        const key = resource.primaryKey.map(identifier).join(', ');
        if (key !== '') await session.execute(`ALTER TABLE ${table} ADD PRIMARY KEY (${key})`);
      }),
    ),
  );
}

const seconds: Record<'plumbline' | 'COPY', number[]> = { plumbline: [], COPY: [] };
async function measure(name: keyof typeof seconds, work: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  await work();
  seconds[name].push((performance.now() - start) / 1000);
}
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

try {
  for (const resource of tables)
    await withZipMembers({ absolute: join(root, archive), path: archive }, resource, async ([member]) =>
      pipeline(member!.open(), createWriteStream(fileOf(resource))),
    );
  for (let round = 0; round <= ROUNDS; round++) {
    await measure('plumbline', () => load(round));
    await measure('COPY', copy);
  }
  // The first round compiles and warms.
  const [own, baseline] = [median(seconds.plumbline.slice(1)), median(seconds.COPY.slice(1))];
  console.table({
    'plumbline: zip to seven published tables': { seconds: own.toFixed(2), ratio: (own / baseline).toFixed(1) },
    'COPY of the unpacked files into typed tables': { seconds: baseline.toFixed(2), ratio: '1.0' },
  });
  const [counted] = await database.query(`SELECT count(*)::int AS rows FROM ${schemas.raw}.dataset_infotable`);
  console.log(
    `${String(counted?.['rows'])} rows of holdings; rounds ${seconds.plumbline.map((one) => one.toFixed(2)).join(' ')} against ${seconds.COPY.map((one) => one.toFixed(2)).join(' ')} s`,
  );
} finally {
  await database.execute(`DROP SCHEMA IF EXISTS ${schemas.raw}, ${schemas.stage} CASCADE`);
  await database.close();
  await rm(folder, { recursive: true, force: true });
}

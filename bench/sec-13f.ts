/**
 * The SEC's data set of a quarter, seven TSV files in a zip archive, into seven typed tables: extract, load and publish of examples/sec-13f,
 * beside what a person with psql waits for: one psql that is started, copies the seven files one after another into tables, then adds the primary keys. psql has the better
 * part of it: its files are unpacked, and its tables are there, empty and typed. Prints seconds, the median of seven rounds.
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
import type { Session } from '../src/model/database.js';
import { openDirectoryStore } from '../src/storage/artifact-store.js';
import { openDatabase } from '../src/storage/database.js';
import { migrate } from '../src/storage/migrations.js';
import { median, psqlIfThere, secondsOfPsql } from './support/load.js';

const ROUNDS = 7;
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
const COLUMNS = `SELECT attname::text AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`;
const copyTable = ({ table }: ResourceConfig): string => qualified(schemas.stage, `copy_${table}`);
const FORMAT = `(FORMAT csv, DELIMITER E'\\t', QUOTE E'\\b', HEADER)`;

async function makeCopyTables(): Promise<void> {
  for (const resource of tables) {
    const table = copyTable(resource);
    await database.execute(
      `DROP TABLE IF EXISTS ${table}; CREATE TABLE ${table} (LIKE ${qualified(schemas.raw, resource.table)});
       ALTER TABLE ${table} DROP _load_id, DROP _row_number, DROP _loaded_at`,
    );
  }
}

function keyOf(resource: ResourceConfig): string[] {
  if (resource.primaryKey.length === 0) return [];
  return [`ALTER TABLE ${copyTable(resource)} ADD PRIMARY KEY (${resource.primaryKey.map(identifier).join(', ')})`];
}

const script = [
  ...tables.map((resource) => `\\copy ${copyTable(resource)} FROM '${fileOf(resource)}' ${FORMAT}`),
  ...tables.flatMap(keyOf).map((statement) => `${statement};`),
  '',
].join('\n');

async function copyOne(session: Session, resource: ResourceConfig): Promise<void> {
  await session.copyFrom(
    `COPY ${copyTable(resource)} FROM STDIN ${FORMAT}`,
    createReadStream(fileOf(resource), { highWaterMark: 1 << 20 }),
  );
}

/** What the script does, where there is no psql. */
async function copyInTurn(): Promise<void> {
  await database.session(async (session) => {
    for (const resource of tables) await copyOne(session, resource);
    for (const statement of tables.flatMap(keyOf)) await session.execute(statement);
  });
}

/** No psql does this; it is what the machine can. */
async function copyAtOnce(): Promise<void> {
  await Promise.all(
    tables.map((resource) =>
      database.session(async (session) => {
        await copyOne(session, resource);
        for (const statement of keyOf(resource)) await session.execute(statement);
      }),
    ),
  );
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1_000;
}

try {
  for (const resource of tables)
    await withZipMembers({ absolute: join(root, archive), path: archive }, resource, async ([member]) =>
      pipeline(member!.open(), createWriteStream(fileOf(resource))),
    );
  const psql = psqlIfThere();
  const seconds = { plumbline: [] as number[], inTurn: [] as number[], atOnce: [] as number[] };
  for (let round = 0; round <= ROUNDS; round++) {
    const own = await secondsOf(() => load(round));
    await makeCopyTables();
    const inTurn = psql === undefined ? await secondsOf(copyInTurn) : secondsOfPsql(url, script);
    await makeCopyTables();
    const atOnce = await secondsOf(copyAtOnce);
    // The first round compiles and warms.
    if (round === 0) continue;
    seconds.plumbline.push(own);
    seconds.inTurn.push(inTurn);
    seconds.atOnce.push(atOnce);
  }
  for (const resource of tables) {
    const names = (await database.query<{ name: string }>(COLUMNS, [copyTable(resource)])).map(({ name }) => identifier(name)); // prettier-ignore
    const [one, other] = [qualified(schemas.raw, resource.table), copyTable(resource)];
    const different = await database.query(
      `(SELECT ${names.join(', ')} FROM ${one} EXCEPT ALL SELECT * FROM ${other}) UNION ALL (SELECT * FROM ${other} EXCEPT ALL SELECT ${names.join(', ')} FROM ${one}) LIMIT 1`,
    );
    if (different.length > 0) throw new Error(`${one} differs from what COPY made: ${JSON.stringify(different[0])}`);
  }
  const baseline = median(seconds.inTurn);
  const row = (values: readonly number[]): object => ({
    seconds: median(values).toFixed(2),
    fastest: Math.min(...values).toFixed(2),
    slowest: Math.max(...values).toFixed(2),
    ratio: (median(values) / baseline).toFixed(2),
  });
  console.table({
    'plumbline: zip to seven published tables': row(seconds.plumbline),
    [psql === undefined ? 'no psql here: its COPY and keys over one connection' : `${psql}: seven \\copy, then keys`]: row(seconds.inTurn), // prettier-ignore
    'COPY and keys over seven connections at once, no psql': row(seconds.atOnce),
  });
  const [counted] = await database.query(`SELECT count(*)::int AS rows FROM ${schemas.raw}.dataset_infotable`);
  console.log(`${String(counted?.['rows'])} rows of holdings; ratio: to psql's seconds; expected at most 3`);
} finally {
  await database.execute(`DROP SCHEMA IF EXISTS ${schemas.raw}, ${schemas.stage} CASCADE`);
  await database.close();
  await rm(folder, { recursive: true, force: true });
}

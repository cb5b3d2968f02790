import { readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { extractFiles } from '../../../src/elt/extract/extract-files.js';
import { groupObjects } from '../../../src/elt/load/group-objects.js';
import { loadObject } from '../../../src/elt/load/load-object.js';
import { loadObjects, type GroupOptions } from '../../../src/elt/load/load-objects.js';
import type { ExtractedObject, LoadResult } from '../../../src/elt/load/load-result.js';
import { publishResource } from '../../../src/elt/load/publish-resource.js';
import type { ResourceConfig } from '../../../src/model/project.js';
import { blindToWriters, withSession } from '../../support/with-session.js';
import { openWorkbench, resourceOf, schemas, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());
afterEach(() => {
  delete process.env['PLUMBLINE_FAILPOINTS'];
});

const base = (runId = 'run-1') => ({
  database: bench.database,
  store: bench.store,
  env: 'dev',
  project: 'demo',
  schemas,
  runId,
});
const extract = (resource: ResourceConfig): Promise<ExtractedObject[]> =>
  extractFiles({ ...base(), root: bench.root, resource, now: new Date() });
const named = (name: string, more: Partial<ResourceConfig> = {}): ResourceConfig =>
  resourceOf({ id: name, source: name, table: name, path: `${name}/*`, ...more });

async function together(
  resource: ResourceConfig,
  objects: readonly ExtractedObject[],
  options: Partial<GroupOptions> = {},
): Promise<LoadResult[]> {
  return loadObjects({ ...base(), resource, objects, ...options });
}

async function oneByOne(resource: ResourceConfig, objects: readonly ExtractedObject[]): Promise<LoadResult[]> {
  const loads: LoadResult[] = [];
  for (const object of objects) loads.push(await loadObject({ ...base(), resource, object }));
  return loads;
}

/** What both ways must leave: the table, the ledger with the NULLs that were counted, the quarantine and what publications are compared by, with paths for the ids of loads. */
async function left(name: string): Promise<unknown> {
  const rows = await bench.database.query(
    `SELECT l.path, to_jsonb(t) - '_load_id' - '_loaded_at' AS row FROM demo_dev_raw."${name}" t
     JOIN plumbline.loads l ON l.load_id = t._load_id ORDER BY l.load_id, t._row_number`,
  );
  const lines = await bench.database.query(
    `SELECT path, sha256, unit, generation, settings, status, next_chunk, next_row, reader, stage_table, rows_read, rows_loaded, rows_rejected,
       rows_duplicate, discarded, error, writer_pid FROM plumbline.loads WHERE resource = $1 ORDER BY load_id`,
    [name],
  );
  const rejects = await bench.database.query(
    `SELECT l.path, r.row_number, kind, file, line, column_name, value, reason, raw FROM plumbline.rejects r
     JOIN plumbline.loads l USING (load_id) WHERE l.resource = $1 ORDER BY l.load_id, r.row_number`,
    [name],
  );
  const versions = await bench.database.query(
    'SELECT version, row_count, profile FROM plumbline.resource_versions WHERE resource = $1 ORDER BY version',
    [name],
  );
  return { rows, lines, rejects, versions };
}

const SEED = Number(process.env['PLUMBLINE_TEST_SEED'] ?? Date.now() % 1e9);
// Mulberry32.
let state = SEED;
function random(below: number): number {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below);
}

/** A file of a few rows, now and then with what files have: other columns, lines that are none, repeated and missing keys, values of another type. */
function file(number: number): { name: string; content: Buffer } {
  const hasMore = random(6) === 0;
  const rows = 1 + random(40);
  const lines = Array.from({ length: rows }, (_, row) => {
    const id = random(15) === 0 ? '' : String(random(8) === 0 ? random(60) : 1_000 * number + row);
    const amount = random(25) === 0 ? 'none' : `${random(1_000)}.${random(10)}`;
    const note = ['', '""', '"a, b"', 'plain', '"two\nlines"', 'back\\slash\tand tab'][random(6)]!;
    const line = [id, `2024-0${1 + random(9)}-1${random(9)}`, amount, note, ...(hasMore ? [random(3)] : [])].join(',');
    return random(30) === 0 ? `${line},too,many` : line;
  });
  const text = [`id,day,amount,note${hasMore ? ',more' : ''}`, ...lines, ''].join(random(5) === 0 ? '\r\n' : '\n');
  const isPacked = random(5) === 0;
  const name = `${String(number).padStart(4, '0')}.csv${isPacked ? '.gz' : ''}`;
  return { name, content: isPacked ? gzipSync(text) : Buffer.from(text) };
}

describe('the same as one by one', () => {
  const settings: Partial<ResourceConfig>[] = [
    { write: 'append', columns: { id: 'bigint', amount: 'double precision' }, maxRejectedShare: 1 },
    { write: 'merge', primaryKey: ['id'], columns: { amount: 'numeric(12,2)' }, maxRejectedShare: 1 },
    { write: 'replace', primaryKey: ['id'], maxRejectedShare: 1 },
  ];
  test.each(settings.map((more, index) => [`${more.write} ${index}`, more] as const))(
    `%s: table, ledger and quarantine (seed ${SEED})`,
    async (name, more) => {
      const [grouped, single] = [name, `${name} single`].map((one) => one.replaceAll(' ', '_')) as [string, string];
      for (const round of [0, 1]) {
        for (let number = 0; number < 8; number++) {
          // In the second round some files are others, and some new.
          const { name: path, content } = file(number + 3 * round);
          for (const one of [grouped, single]) await bench.write(`${one}/${path}`, content);
        }
        for (const [one, load] of [
          [grouped, together],
          [single, oneByOne],
        ] as const) {
          const resource = named(one, { ...more, path: `${one}/*.csv*` });
          const loads = await load(resource, await extract(resource));
          await publishResource({ ...base(), resource, loads });
        }
        const text = async (one: string): Promise<string> =>
          JSON.stringify(await left(one), null, 1).replaceAll(`${one}/`, 'files/');
        // The digest of the settings has the table's name in it.
        const neutral = async (one: string): Promise<string> =>
          (await text(one)).replaceAll(/"settings": "\w+"/g, '"settings"');
        expect(await neutral(grouped)).toEqual(await neutral(single));
      }
      expect(await bench.stages()).toEqual([]);
    },
  );
});

test('a thousand files: a line, a load id and its own row numbers for each', async () => {
  const objects: ExtractedObject[] = [];
  for (let number = 0; number < 1_000; number++) {
    const { sha256, bytes } = await bench.store.put(Buffer.from(`id,v\n${number},a\n${number},b\n`));
    objects.push({ path: `thousand/${number}.csv`, sha256, bytes, isUnchanged: false });
  }
  const resource = named('thousand', { write: 'append', columns: { id: 'bigint', v: 'text' } });
  expect(groupObjects(resource, objects)).toEqual([500, 500]);
  let statements = 0;
  const counted = withSession(bench.database, (session) => ({
    ...session,
    query: (...query) => (statements++, session.query(...query)),
    execute: (...query) => (statements++, session.execute(...query)),
    copyFrom: (...copy) => (statements++, session.copyFrom(...copy)),
  }));
  const loads = [
    ...(await together(resource, objects.slice(0, 500), { database: counted })),
    ...(await together(resource, objects.slice(500), { database: counted })),
  ];
  expect(loads.map(({ path }) => path)).toEqual(objects.map(({ path }) => path));
  // Not some for each file.
  expect(statements).toBeLessThan(30);
  await publishResource({ ...base(), resource, loads });
  const [found] = await bench.database.query(
    `SELECT count(*)::int AS rows, count(DISTINCT _load_id)::int AS loads, bool_and(l.path = 'thousand/' || id || '.csv') AS own,
       string_agg(DISTINCT _row_number || v, ' ') AS rows_of FROM demo_dev_raw.thousand JOIN plumbline.loads l ON l.load_id = _load_id`,
  );
  expect(found).toEqual({ rows: 2_000, loads: 1_000, own: true, rows_of: '1a 2b' });
});

describe('a group that breaks', () => {
  const FILES = 20;
  async function prepared(name: string, more: Partial<ResourceConfig> = {}) {
    const resource = named(name, { write: 'append', columns: { id: 'bigint', v: 'text' }, ...more });
    for (let number = 0; number < FILES; number++) {
      const rows = Array.from({ length: 10 }, (_, row) => `${number * 10 + row},v`);
      await bench.write(`${name}/${String(number).padStart(2, '0')}.csv`, `id,v\n${rows.join('\n')}\n`);
    }
    return { resource, objects: await extract(resource) };
  }
  async function checkAll(resource: ResourceConfig, loads: readonly LoadResult[]): Promise<void> {
    await publishResource({ ...base('run-2'), resource, loads });
    const [found] = await bench.database.query(
      `SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids, count(DISTINCT _load_id)::int AS loads FROM demo_dev_raw."${resource.table}"`,
    );
    expect(found).toEqual({ rows: FILES * 10, ids: FILES * 10, loads: FILES });
    const [lines] = await bench.database.query(
      `SELECT count(*)::int AS lines, sum(rows_loaded)::int AS rows, count(writer_pid)::int AS writers FROM plumbline.loads WHERE resource = $1 AND status = 'published'`,
      [resource.id],
    );
    expect(lines).toEqual({ lines: FILES, rows: FILES * 10, writers: 0 });
    expect(await bench.stages()).toEqual([]);
  }
  const stagedLines = async (resource: ResourceConfig): Promise<unknown> =>
    (
      await bench.database.query(
        `SELECT count(*)::int AS lines FROM plumbline.loads WHERE resource = $1 AND status = 'staged'`,
        [resource.id],
      )
    )[0];

  test.each([
    ['group.mid-copy', 5],
    ['group.after-copy', 5],
    ['group.before-commit', 5],
    ['group.after-commit', 10],
  ] as const)('at %s in its second transaction goes on behind what was committed', async (point, staged) => {
    const { resource, objects } = await prepared(point.replaceAll(/\W/g, '_'));
    process.env['PLUMBLINE_FAILPOINTS'] = `${point}=error@2`;
    // Transactions of 50 rows: five files.
    await expect(together(resource, objects, { chunkRows: 50 })).rejects.toThrow(`failpoint ${point}`);
    delete process.env['PLUMBLINE_FAILPOINTS'];
    expect(await stagedLines(resource)).toEqual({ lines: staged });
    let read = 0;
    const loads = await together(resource, objects, {
      runId: 'run-2',
      chunkRows: 50,
      onProgress: ({ rowsRead }) => (read = rowsRead),
    });
    expect(read).toBe((FILES - staged) * 10);
    await checkAll(resource, loads);
  });

  test('a writer whose loads were taken over commits nothing more', async () => {
    const { resource, objects } = await prepared('taken');
    let copies = 0;
    let heir: LoadResult[] = [];
    const slow = withSession(bench.database, (session) => ({
      ...session,
      async copyFrom(...copy) {
        // As after a failover: the former writer's connection is not seen, so only the ledger can stop it.
        if (++copies === 2)
          heir = await together(resource, objects, { runId: 'run-2', database: blindToWriters(bench.database) });
        return session.copyFrom(...copy);
      },
    }));
    await expect(together(resource, objects, { chunkRows: 50, database: slow })).rejects.toMatchObject({
      code: 'ELT_LOAD_FENCED',
    });
    await checkAll(resource, heir);
  });

  test('one file with too many rejects fails as by itself, the others are staged', async () => {
    const { resource } = await prepared('rejects', { maxRejectedShare: 0.2 });
    await bench.write('rejects/07.csv', 'id,v\n1,a\nx,b\ny,c\n4,d\n');
    await expect(together(resource, await extract(resource))).rejects.toMatchObject({
      code: 'ELT_TOO_MANY_REJECTS',
      message: expect.stringContaining(
        'Loading rejects/07.csv into demo_dev_raw.rejects stopped: 2 of its 4 rows were refused, expected at most 20 % or one. First ones: line 3, column "id": got "x"',
      ) as string,
    });
    expect(await stagedLines(resource)).toEqual({ lines: FILES - 1 });
    const [failed] = await bench.database.query(
      `SELECT path, status, error->>'code' AS code FROM plumbline.loads WHERE resource = 'rejects' AND status <> 'staged'`,
    );
    expect(failed).toEqual({ path: 'rejects/07.csv', status: 'failed', code: 'ELT_TOO_MANY_REJECTS' });
    await bench.write(
      'rejects/07.csv',
      `id,v\n${Array.from({ length: 10 }, (_, row) => `${70 + row},v`).join('\n')}\n`,
    );
    await checkAll(resource, await together(resource, await extract(resource), { runId: 'run-2' }));
  });

  test('an object that the store cannot give fails by itself, the others are staged', async () => {
    const { resource, objects } = await prepared('damaged');
    const path = await bench.store.localPath(objects[3]!.sha256);
    const content = await readFile(path);
    await writeFile(path, 'id,v\n');
    await expect(together(resource, objects)).rejects.toMatchObject({ code: 'STORE_HASH_MISMATCH' });
    expect(await stagedLines(resource)).toEqual({ lines: FILES - 1 });
    await bench.store.put(content);
    await checkAll(resource, await together(resource, objects, { runId: 'run-2' }));
  });

  test('a value that PostgreSQL refuses costs its row, and the group nothing', async () => {
    const { resource } = await prepared('refused', { columns: { id: 'bigint', v: 'jsonb' }, maxRejectedShare: 0.5 });
    for (let number = 0; number < FILES; number++)
      await bench.write(
        `refused/${String(number).padStart(2, '0')}.csv`,
        `id,v\n${number},1\n${number + 100},${number === 3 ? '1e400000' : '2'}\n`,
      );
    const loads = await together(resource, await extract(resource));
    expect(loads.map(({ rowsRejected }) => rowsRejected).filter((rows) => rows > 0)).toEqual([1]);
    expect(loads[3]).toMatchObject({ rowsRead: 2, rowsLoaded: 1, rowsRejected: 1 });
    await publishResource({ ...base(), resource, loads });
    expect(await bench.database.query('SELECT count(*)::int AS rows FROM demo_dev_raw.refused')).toEqual([
      { rows: 2 * FILES - 1 },
    ]);
  });
});

test('what is large or needs a parser, a cursor or an inventory is no part of a group', () => {
  const object = (bytes: number): ExtractedObject => ({ path: 'a.csv', sha256: '', bytes, isUnchanged: false });
  const [small, large] = [object(1_000), object(5 << 20)];
  expect(groupObjects(named('a'), [small, small, large, small])).toEqual([2, 1, 1]);
  expect(groupObjects(named('a'), [large, large])).toEqual([1, 1]);
  expect(groupObjects(named('a', { type: 'http' }), [small, small])).toEqual([1, 1]);
  expect(groupObjects(named('a', { write: 'append', anomaly: { mode: 'warn' } }), [small, small])).toEqual([1, 1]);
  const interval = { start: '2024-01-01T00:00:00Z', end: '2024-01-02T00:00:00Z' };
  expect(groupObjects(named('a'), [{ ...small, interval }, small])).toEqual([1, 1]);
  expect(groupObjects(named('a'), [])).toEqual([]);
  expect(groupObjects(named('a'), Array<ExtractedObject>(20).fill(object(4 << 20)))).toEqual([16, 4]);
});

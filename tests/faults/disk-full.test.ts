import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { openDatabase } from '../../src/storage/database.js';
import { createWorkbench, type Workbench } from '../activities/workbench.js';

/** Mounts a disk of so many MiB; undefined, with the reason, where that is not allowed. */
function mount(folder: string, mebibytes: number): string | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', folder], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return String((error as { stderr?: Buffer }).stderr ?? error).trim();
  }
}
const enlarge = (folder: string): unknown => execFileSync('mount', ['-o', 'remount,size=256m', folder]);

const probe = await mkdtemp(join(tmpdir(), 'plumbline-disk-'));
const refused = mount(probe, 1);
if (refused === undefined) execFileSync('umount', [probe]);
else console.warn(`skipped: a small disk cannot be mounted here: ${refused}`);
await rm(probe, { recursive: true });

describe.skipIf(refused !== undefined)('a full disk', () => {
  let bench: Workbench;
  let disks: string;
  const mounted: string[] = [];
  const disk = async (folder: string, mebibytes: number): Promise<string> => {
    await mkdir(folder, { recursive: true });
    expect(mount(folder, mebibytes)).toBeUndefined();
    mounted.push(folder);
    return folder;
  };
  beforeAll(async () => {
    disks = await mkdtemp(join(tmpdir(), 'plumbline-disks-'));
    // PostgreSQL's user has to get there.
    await chmod(disks, 0o755);
    bench = await createWorkbench({
      'plumbline.yaml': 'name: shop\nsources:\n  big: { path: data/big.csv }\n  doc: { path: data/doc.json }\n',
      'data/big.csv': csv(1_000),
      'data/doc.json': json(10),
    });
    const { run, plan } = await bench.open('run-1', ['elt']);
    await bench.elt(run, plan);
    await bench.close(run);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    const [store, scratch, tablespace] = mounted;
    for (const folder of [store, scratch]) if (folder !== undefined) execFileSync('umount', ['-l', folder]);
    await bench.destroy();
    if (tablespace !== undefined) {
      const admin = openDatabase({ url: inject('postgresUrl'), max: 1 });
      await admin.execute('DROP TABLESPACE IF EXISTS plumbline_small');
      await admin.close();
      execFileSync('umount', ['-l', tablespace]);
    }
    await rm(disks, { recursive: true, force: true });
  });

  const rowsOf = async (table: string): Promise<number> =>
    Number((await bench.test.database.query(`SELECT count(*) AS n FROM shop_dev_raw.${table}`))[0]!['n']);
  const left = async (): Promise<unknown> => ({
    stages: await bench.test.database.query(
      `SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'shop_dev_stage' AND relkind = 'r'`,
    ),
    incoming: await readdir(join(bench.root, '.plumbline', 'store', 'incoming')),
  });

  it('of the artifact store stops a landing, which leaves nothing behind and is made by the next attempt', async () => {
    await bench.write({ 'data/big.csv': csv(60_000) });
    const { run, plan } = await bench.open('run-2', ['elt']);
    // It hides the objects of the run before, of which this one needs none.
    const store = await disk(join(bench.root, '.plumbline', 'store'), 1);
    const extract = bench.call('extractResource', { run, resource: 'big' });
    await expect(extract).rejects.toMatchObject({
      nonRetryable: false,
      details: [{ code: 'DISK_FULL', terminal: false }],
    });
    expect(await readdir(join(store, 'incoming'))).toEqual([]);
    expect(await rowsOf('big')).toBe(1_000);
    enlarge(store);
    // Its code was packed into the store before there was the small disk.
    const { run: again } = await bench.open('run-2', ['elt']);
    await bench.elt(again, plan);
    await bench.close(again);
    expect(await rowsOf('big')).toBe(60_000);
    expect(await left()).toEqual({ stages: [], incoming: [] });
  });

  it('of temporary files stops a load, whose table stays, and which is made by the next attempt', async () => {
    await bench.write({ 'data/doc.json': json(40_000) });
    const { run } = await bench.open('run-3', ['elt']);
    const { objects } = await bench.call('extractResource', { run, resource: 'doc' });
    const scratch = await disk(join(disks, 'scratch'), 1);
    vi.stubEnv('TMPDIR', scratch);
    const load = () => bench.call('loadObject', { run, resource: 'doc', object: objects[0]! });
    await expect(load()).rejects.toMatchObject({
      nonRetryable: false,
      details: [{ code: 'DISK_FULL', terminal: false }],
    });
    expect(await readdir(scratch)).toEqual([]);
    expect(await rowsOf('doc')).toBe(10);
    enlarge(scratch);
    await bench.call('publishResource', { run, resource: 'doc', loads: [await load()] });
    await bench.close(run);
    expect(await rowsOf('doc')).toBe(40_000);
    expect(await left()).toEqual({ stages: [], incoming: [] });
  });

  it('of PostgreSQL stops a load, whose table stays, and which goes on behind its last chunk', async () => {
    const { database } = bench.test;
    const space = await disk(join(disks, 'postgres'), 8);
    execFileSync('chown', ['--reference', await dataFolder(), space]);
    await database.execute(`CREATE TABLESPACE plumbline_small LOCATION '${space}'`);
    await database.execute(
      `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_tablespace TO plumbline_small', current_database()); END $$`,
    );
    // Of a connection that is open already it is another one.
    await database.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    await database.query('SELECT pg_terminate_backend(pg_backend_pid())').catch(() => {});

    await bench.write({ 'data/big.csv': csv(200_000) });
    const { run } = await bench.open('run-4', ['elt']);
    const { objects } = await bench.call('extractResource', { run, resource: 'big' });
    const load = () => bench.call('loadObject', { run, resource: 'big', object: objects[0]! });
    await expect(load()).rejects.toMatchObject({
      nonRetryable: false,
      message: expect.stringContaining('No space left on device') as string,
      details: [{ code: 'PG_DISK_FULL', next: expect.stringContaining('Make room') as string }],
    });
    expect(await rowsOf('big')).toBe(60_000);
    const [line] = await database.query(
      `SELECT status, next_row::int AS "nextRow", rows_loaded::int AS loaded FROM plumbline.loads ORDER BY load_id DESC LIMIT 1`,
    );
    expect(line).toMatchObject({ status: 'loading' });
    expect(line!['loaded']).toBeGreaterThan(0);
    expect(line!['nextRow']).toBe(Number(line!['loaded']) + 1);
    enlarge(space);
    const loaded = await load();
    await bench.call('publishResource', { run, resource: 'big', loads: [loaded] });
    await bench.close(run);
    expect(loaded).toMatchObject({ rowsRead: 200_000, rowsLoaded: 200_000, rowsRejected: 0 });
    expect(
      await database.query(
        'SELECT count(*)::int AS n, count(DISTINCT id)::int AS ids, count(DISTINCT _row_number)::int AS numbers FROM shop_dev_raw.big',
      ),
    ).toEqual([{ n: 200_000, ids: 200_000, numbers: 200_000 }]);
    expect(await left()).toEqual({ stages: [], incoming: [] });
  });

  async function dataFolder(): Promise<string> {
    const [row] = await bench.test.database.query<{ folder: string }>(
      `SELECT current_setting('data_directory') AS folder`,
    );
    return row!.folder;
  }
});

function csv(rows: number): string {
  return `id,note\n${Array.from({ length: rows }, (_, id) => `${id},note ${(id * 2_654_435_761) % 4_294_967_296} of this row\n`).join('')}`;
}

function json(rows: number): string {
  return JSON.stringify(
    Array.from({ length: rows }, (_, id) => ({ id, note: `note ${(id * 2_654_435_761) % 4_294_967_296} of this row` })),
  );
}

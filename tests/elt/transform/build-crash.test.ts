import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { buildTransform } from '../../../src/elt/transform/build-transform.js';
import { compileTransforms } from '../../../src/elt/transform/compile-transforms.js';
import { sweepBuilds } from '../../../src/elt/transform/sweep-builds.js';
import { createTestDatabase, type TestDatabase } from '../../setup/database.js';

const POINTS = ['transform.after-build', 'transform.before-publish', 'swap.before-commit', 'swap.after-commit'];
const SQL = 'SELECT i AS id FROM generate_series(1, 1000) i';
const schemas = { raw: 'raw', main: 'main', stage: 'stage' };
let test_: TestDatabase;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'plumbline-crash-'));
  test_ = await createTestDatabase();
});
afterAll(async () => {
  await test_.drop();
  rmSync(folder, { recursive: true });
});
beforeEach(async () => {
  await test_.database.execute(`DROP SCHEMA IF EXISTS main, stage CASCADE; TRUNCATE plumbline.transform_builds;
    CREATE SCHEMA main; CREATE SCHEMA stage;
    CREATE TABLE main.demand AS SELECT 0 AS id; CREATE VIEW main.reader AS SELECT max(id) AS newest FROM main.demand`);
});

/** A build in a process of its own that is killed or frozen at `point`. */
function startChild(
  point: string,
  action: 'kill' | 'stop',
): { child: ChildProcess; log: string; output: Promise<string> } {
  const log = join(folder, `${point}.${action}`);
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const loader = pathToFileURL(path('../../setup/typescript-loader.mjs')).href;
  const child = spawn(process.execPath, ['--import', loader, path('build-child.ts'), test_.url, 'r1', SQL], {
    env: { ...process.env, PLUMBLINE_FAILPOINTS: `${point}=${action}`, PLUMBLINE_FAILPOINT_LOG: log },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const output = new Promise<string>((resolve) => child.once('close', () => resolve(text)));
  return { child, log, output };
}

const build = () =>
  buildTransform({
    database: test_.database,
    schemas,
    runId: 'r1',
    node: compileTransforms({
      transforms: [{ name: 'demand', file: 'sql/demand.sql', sql: SQL, materialized: 'table', tests: [] }],
      schemas,
      resources: [],
    }).nodes[0]!,
  });

async function expectOneTable(): Promise<void> {
  expect(await sweepBuilds({ database: test_.database, schemas })).toEqual([]);
  expect(
    await test_.database.query(`SELECT relnamespace::regnamespace::text || '.' || relname AS name FROM pg_class
      WHERE relnamespace IN ('main'::regnamespace, 'stage'::regnamespace) ORDER BY 1`),
  ).toEqual([{ name: 'main.demand' }, { name: 'main.reader' }]);
  expect(
    await test_.database.query(
      'SELECT count(*)::int AS n, sum(id)::int AS sum, (SELECT newest FROM main.reader) FROM main.demand',
    ),
  ).toEqual([{ n: 1000, sum: 500_500, newest: 1000 }]);
  expect(await test_.database.query('SELECT status FROM plumbline.transform_builds')).toEqual([
    { status: 'published' },
  ]);
}

test.each(POINTS)('a worker killed at %s: the next attempt ends with one table and nothing else', async (point) => {
  const { log, output } = startChild(point, 'kill');
  expect(await output).toBe('');
  expect(readFileSync(log, 'utf8')).toBe(`${point}\n`);
  await build();
  await expectOneTable();
});

test.each(POINTS)('a worker frozen at %s: the successor finishes, and thawing changes nothing', async (point) => {
  const { child, log, output } = startChild(point, 'stop');
  try {
    while (!existsSync(log)) await new Promise((resolve) => setTimeout(resolve, 20));
    await build();
    await expectOneTable();
    const before = await test_.database.query(`SELECT 'main.demand'::regclass::oid AS oid`);
    child.kill('SIGCONT');
    const isPublished = point === 'swap.after-commit';
    expect(await output).toMatch(isPublished ? /^published/ : /^failed (PG_CONNECTION_LOST|ELT_BUILD_FENCED)/);
    expect(await test_.database.query(`SELECT 'main.demand'::regclass::oid AS oid`)).toEqual(before);
    await expectOneTable();
  } finally {
    child.kill('SIGKILL');
  }
});

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { buildTransform } from '../../../src/elt/transform/build-transform.js';
import { compileTransforms } from '../../../src/elt/transform/compile-transforms.js';
import type { IncrementalConfig } from '../../../src/model/project.js';
import { createTestDatabase, type TestDatabase } from '../../setup/database.js';

const POINTS = ['transform.after-build', 'increment.applied', 'increment.before-commit', 'increment.after-commit'];
const SQL = `SELECT i AS id{% if is_incremental() %}, 2 AS round FROM generate_series(900, 1100) i{% else %}, 1 AS round
  FROM generate_series(1, 1000) i{% endif %}`;
const CONFIG: IncrementalConfig = { strategy: 'merge', uniqueKey: ['id'], onSchemaChange: 'fail' };
const schemas = { raw: 'raw', main: 'main', stage: 'stage' };
const BEFORE = { n: 1000, changed: 0 };
const AFTER = { n: 1100, changed: 201 };
let test_: TestDatabase;

const folder = mkdtempSync(join(tmpdir(), 'plumbline-crash-'));

beforeAll(async () => {
  test_ = await createTestDatabase();
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await test_.drop();
});
beforeEach(async () => {
  await test_.database.execute(`DROP SCHEMA IF EXISTS main, stage CASCADE; TRUNCATE plumbline.transform_builds;
    CREATE SCHEMA main; CREATE SCHEMA stage`);
  await build('r0');
});

const build = (runId: string) =>
  buildTransform({
    database: test_.database,
    schemas,
    runId,
    isIncremental: true,
    node: compileTransforms({
      transforms: [
        {
          name: 'demand',
          file: 'sql/demand.sql',
          sql: SQL,
          materialized: 'incremental',
          incremental: CONFIG,
          tests: [],
        },
      ],
      schemas,
      resources: [],
    }).nodes[0]!,
  });
const state = async () =>
  (
    await test_.database.query(
      `SELECT count(*)::int AS n, (count(*) FILTER (WHERE round = 2))::int AS changed FROM main.demand`,
    )
  )[0];
const relations = () =>
  test_.database.query(`SELECT relnamespace::regnamespace::text || '.' || relname AS name FROM pg_class
    WHERE relnamespace IN ('main'::regnamespace, 'stage'::regnamespace) ORDER BY 1`);

/** An increment in a process of its own that is killed or frozen at `point`. */
function startChild(
  point: string,
  action: 'kill' | 'stop',
): { child: ChildProcess; log: string; output: Promise<string> } {
  const log = join(mkdtempSync(join(folder, 'child-')), 'reached');
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const loader = pathToFileURL(path('../../setup/typescript-loader.mjs')).href;
  const program = [
    path('build-child.ts'),
    test_.url,
    'r1',
    SQL,
    JSON.stringify({ materialized: 'incremental', incremental: CONFIG }),
  ];
  const child = spawn(process.execPath, ['--import', loader, ...program], {
    env: { ...process.env, PLUMBLINE_FAILPOINTS: `${point}=${action}`, PLUMBLINE_FAILPOINT_LOG: log },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const output = new Promise<string>((resolve) => child.once('close', () => resolve(text)));
  return { child, log, output };
}

test.each(POINTS)(
  'a worker killed at %s leaves the rows of before or of after; the next attempt ends it',
  async (point) => {
    const { log, output } = startChild(point, 'kill');
    expect(await output).toBe('');
    expect(readFileSync(log, 'utf8')).toBe(`${point}\n`);
    expect(await state()).toEqual(point === 'increment.after-commit' ? AFTER : BEFORE);
    await build('r1');
    expect(await state()).toEqual(AFTER);
    expect(await relations()).toEqual([{ name: 'main.demand' }]);
  },
);

test.each(POINTS)('a worker frozen at %s: the successor finishes, and thawing changes nothing', async (point) => {
  const { child, log, output } = startChild(point, 'stop');
  try {
    while (!existsSync(log)) await new Promise((resolve) => setTimeout(resolve, 20));
    await build('r1');
    expect(await state()).toEqual(AFTER);
    child.kill('SIGCONT');
    const isPublished = point === 'increment.after-commit';
    expect(await output).toMatch(isPublished ? /^published/ : /^failed (PG_CONNECTION_LOST|ELT_BUILD_FENCED)/);
    expect(await state()).toEqual(AFTER);
    expect(await relations()).toEqual([{ name: 'main.demand' }]);
  } finally {
    child.kill('SIGKILL');
  }
});

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import pg from 'pg';
import {
  buildTransform,
  type BuildOptions,
  type TransformProgress,
} from '../../../src/elt/transform/build-transform.js';
import { compileTransforms } from '../../../src/elt/transform/compile-transforms.js';
import { sweepBuilds } from '../../../src/elt/transform/sweep-builds.js';
import { TerminalError, TransientError } from '../../../src/errors.js';
import { DataTestError } from '../../../src/elt/tests/errors.js';
import type { DataTest, TransformFile } from '../../../src/model/project.js';
import { tagDatabase } from '../../../src/storage/database.js';
import { createTestDatabase, type TestDatabase } from '../../setup/database.js';

const schemas = { raw: 'raw', main: 'main', stage: 'stage' };
const at = { file: 'plumbline.yaml', line: 12 };
let test_: TestDatabase;

beforeAll(async () => {
  test_ = await createTestDatabase();
});
afterAll(() => test_.drop());
beforeEach(async () => {
  await test_.database.execute(`
    DROP SCHEMA IF EXISTS raw, main, stage CASCADE; TRUNCATE plumbline.transform_builds;
    CREATE SCHEMA raw; CREATE SCHEMA main; CREATE SCHEMA stage;
    CREATE TABLE raw.rides AS SELECT i AS id, i % 3 AS kind, CASE WHEN i < 9 THEN 'n' || i END AS name
      FROM generate_series(1, 10) i`);
});

const rows = (sql: string) => test_.database.query(sql);
const checksum = async () =>
  (
    await rows(
      `SELECT 'main.demand'::regclass::oid AS oid, md5(string_agg(d::text, '|' ORDER BY ctid)) AS sum FROM main.demand d`,
    )
  )[0];
const orphans = () => rows(`SELECT relname FROM pg_class WHERE relnamespace = 'stage'::regnamespace`);

function nodeOf(sql: string, more: Partial<TransformFile> = {}) {
  const file: TransformFile = {
    name: 'demand',
    file: 'sql/demand.sql',
    sql,
    materialized: 'table',
    tests: [],
    ...more,
  };
  const resource = { id: 'rides', table: 'rides' } as never;
  return compileTransforms({ transforms: [file], schemas, resources: [resource] }).nodes[0]!;
}
const build = (sql: string, more: Partial<TransformFile> = {}, options: Partial<BuildOptions> = {}) =>
  buildTransform({ database: test_.database, schemas, node: nodeOf(sql, more), runId: 'r1', ...options });

test('builds, tests and publishes a table', async () => {
  const tests: DataTest[] = [
    { kind: 'not_null', columns: ['id', 'kind'], at },
    { kind: 'unique', columns: ['id'], at },
    { kind: 'row_count', min: 5, at },
  ];
  const steps: string[] = [];
  const result = await build(
    "-- a comment\nSELECT id, kind FROM {{ source('rides') }};  -- done",
    { tests },
    { onProgress: ({ step, test: name }) => steps.push(name ?? step) },
  );
  expect(result).toMatchObject({ table: 'main.demand', kind: 'table', rows: 10, version: 'demand@r1' });
  expect(result.tests.map(({ name, passed }) => [name, passed])).toEqual([
    ['not_null(id)', true],
    ['not_null(kind)', true],
    ['unique(id)', true],
    ['row_count(5..)', true],
  ]);
  expect(steps).toEqual(['building', 'not_null(id)', 'not_null(kind)', 'unique(id)', 'row_count(5..)', 'publishing']);
  expect(await rows('SELECT count(*)::int AS n FROM main.demand')).toEqual([{ n: 10 }]);
  expect(await orphans()).toEqual([]);
});

test('builds a view and tests it before it is seen', async () => {
  const tests: DataTest[] = [{ kind: 'not_null', columns: ['name'], at }];
  await expect(build("SELECT * FROM {{ source('rides') }}", { materialized: 'view', tests })).rejects.toBeInstanceOf(
    DataTestError,
  );
  expect(await rows(`SELECT to_regclass('main.demand') AS found`)).toEqual([{ found: null }]);
  const good = "SELECT * FROM {{ source('rides') }} WHERE name IS NOT NULL";
  expect(await build(good, { materialized: 'view', tests }, { runId: 'r2' })).toMatchObject({ kind: 'view', rows: 8 });
  expect(await orphans()).toEqual([]);
});

test('a failing test leaves the old table byte for byte and names row count, samples and place', async () => {
  await build("SELECT * FROM {{ source('rides') }}");
  const before = await checksum();
  const tests: DataTest[] = [
    { kind: 'row_count', min: 1, at },
    { kind: 'not_null', columns: ['name'], at },
  ];
  const error = await build("SELECT * FROM {{ source('rides') }}", { tests }, { runId: 'r2' }).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(DataTestError);
  expect(error).toMatchObject({
    code: 'ELT_TEST_FAILED',
    terminal: true,
    at,
    message: expect.stringContaining('Test not_null(name) of main.demand failed on 2 rows') as string,
    details: { tests: [{ name: 'not_null(name)', failures: 2, sample: [{ id: 9, kind: 0, name: null }, { id: 10 }] }] },
  });
  expect(await checksum()).toEqual(before);
  expect(await orphans()).toEqual([]);
});

test.each([
  ['a syntax error', '-- table\nSELECT id,\n  FROM FROM x', 3, 3],
  ['an unknown column', "SELECT id,\n  -- ü 🚲 before\n\t'🚲', nme\nFROM {{ source('rides') }}", 3, 7],
  [
    'an unknown column after a tag of several lines',
    "SELECT id\nFROM {{ source(\n  'rides'\n) }} r\nWHERE nme = 1",
    5,
    7,
  ],
  ['the end of the file', 'SELECT 1\nFROM', 2, 5],
  ['an unknown table', 'SELECT 1\nFROM nowhere', 2, 6],
  [
    'a column in a loop',
    "SELECT id\n{% for c in ['kind', 'oops'] %}\n, {{ c }}\n{% endfor %}\nFROM {{ source('rides') }}",
    3,
    3,
  ],
])('maps %s to line and column of the user file', async (_, sql, line, column) => {
  await expect(build(sql)).rejects.toMatchObject({
    code: 'ELT_SQL_ERROR',
    at: { file: 'sql/demand.sql', line, column },
  });
  expect(await orphans()).toEqual([]);
});

test('hands on the hint of PostgreSQL', async () => {
  await expect(build("SELECT naem FROM {{ source('rides') }} r")).rejects.toMatchObject({
    next: expect.stringContaining('Perhaps you meant to reference the column "r.name"') as string,
  });
});

test('an error in the data names the file', async () => {
  await expect(build("SELECT 1 / (id - 5) AS x FROM {{ source('rides') }}")).rejects.toMatchObject({
    code: 'ELT_SQL_ERROR',
    at: { file: 'sql/demand.sql' },
    message: expect.stringContaining('division by zero') as string,
  });
});

test('refuses a SELECT that would write', async () => {
  const writes = "WITH gone AS (DELETE FROM {{ source('rides') }} RETURNING *) SELECT * FROM gone";
  await expect(build(writes)).rejects.toMatchObject({ code: 'ELT_SQL_ERROR' });
  await expect(build('SELECT 1 AS a INTO main.other')).rejects.toMatchObject({ code: 'ELT_SQL_ERROR' });
  expect(await rows('SELECT count(*)::int AS n FROM raw.rides')).toEqual([{ n: 10 }]);
});

test('takes reserved and hostile column names', async () => {
  const columns = `1 AS "select", 2 AS "__proto__", 3 AS "x""; drop table raw.rides;--", '{{ 1 }}' AS "ü $1"`;
  const names = ['select', '__proto__', 'x"; drop table raw.rides;--', 'ü $1'];
  const tests: DataTest[] = [
    { kind: 'not_null', columns: names, at },
    { kind: 'unique', columns: names, at },
    { kind: 'accepted_values', column: names[2]!, values: [3], at },
  ];
  expect((await build(`SELECT ${columns}`, { tests })).rows).toBe(1);
  expect(await rows('SELECT count(*)::int AS n FROM raw.rides')).toEqual([{ n: 10 }]);
});

test('an abort cancels the statement in PostgreSQL and leaves nothing behind', async () => {
  const controller = new AbortController();
  const building = build('SELECT pg_sleep(60)::text AS x', {}, { signal: controller.signal });
  await until(
    async () =>
      (await rows(`SELECT 1 FROM pg_stat_activity WHERE query ~ '^CREATE TABLE.*pg_sleep' AND state = 'active'`))
        .length > 0,
  );
  controller.abort(new Error('stop'));
  await expect(building).rejects.toThrow('stop');
  expect(
    await rows(
      `SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query ~ 'pg_sleep' AND pid <> pg_backend_pid()`,
    ),
  ).toEqual([]);
  expect(await orphans()).toEqual([]);
});

test('a connection killed between build and swap leaves one table and no orphan after the next attempt', async () => {
  await build("SELECT id FROM {{ source('rides') }}", {}, { runId: 'r0' });
  const before = await checksum();
  const sql = "SELECT id + 1 AS id FROM {{ source('rides') }}";
  const tests: DataTest[] = [
    { kind: 'sql', name: 'slow', sql: 'SELECT 1 FROM {{ this }}, pg_sleep(0.03) WHERE false OR id < 0', at },
  ];
  const onProgress = ({ step }: { step: string }) => {
    if (step === 'testing')
      void rows(`SELECT pg_terminate_backend(pid) FROM plumbline.transform_builds WHERE run_id = 'r1'`);
  };
  await expect(build(sql, { tests }, { onProgress })).rejects.toMatchObject({
    code: 'PG_CONNECTION_LOST',
    terminal: false,
  });
  expect(await checksum()).toEqual(before);
  await build(sql, { tests });
  expect(await rows('SELECT min(id) AS low, count(*)::int AS n FROM main.demand')).toEqual([{ low: 2, n: 10 }]);
  expect(await orphans()).toEqual([]);
  expect(
    await rows(`SELECT count(*)::int AS n FROM pg_class WHERE relnamespace = 'main'::regnamespace AND relkind = 'r'`),
  ).toEqual([{ n: 1 }]);
});

test('a second attempt after publication gives the same result and builds nothing', async () => {
  const sql = "SELECT id FROM {{ source('rides') }}";
  const first = await build(sql);
  const before = await checksum();
  expect(await build(sql)).toEqual(first);
  expect(await checksum()).toEqual(before);
  await build(sql, {}, { runId: 'r2' });
  expect(await checksum()).not.toEqual(before);
});

test('an open reader in the way ends the build, says so, and leaves the old table alone', async () => {
  await build("SELECT 1 AS id, 'old' AS state");
  const before = await checksum();
  const reader = new pg.Client({ connectionString: test_.url, application_name: 'report' });
  await reader.connect();
  await reader.query('BEGIN; SELECT * FROM main.demand');
  const waits = new Set<string | undefined>();
  const onProgress = ({ waiting }: TransformProgress) => waits.add(waiting?.replace(/pid \d+/, 'pid').split(', ')[0]);
  const sql = "SELECT 2 AS id, 'new' AS state";
  await expect(build(sql, {}, { runId: 'r2', publishTimeoutMs: 1_500, onProgress })).rejects.toMatchObject({
    code: 'ELT_PUBLISH_TIMEOUT',
    terminal: true,
  });
  expect([...waits]).toEqual([undefined, 'for 1 older transaction: pid (postgres report']);
  expect(await checksum()).toEqual(before);
  expect(await orphans()).toEqual([]);
  await reader.end();
});

test('a finished stage that readers kept out is published by the next run, if code and inputs are the same', async () => {
  const sql = "SELECT count(*) AS n FROM {{ source('rides') }}";
  await build('SELECT 0::bigint AS n');
  const sweep = (endedRunId: string) => sweepBuilds({ database: test_.database, schemas, endedRunId });
  const kept = async () => (await orphans()).map(({ relname }) => relname);
  const giveUp = async (runId: string, inputs?: string): Promise<void> => {
    const reader = new pg.Client({ connectionString: test_.url });
    await reader.connect();
    await reader.query('BEGIN; SELECT * FROM main.demand');
    const options = { runId, publishTimeoutMs: 100, ...(inputs === undefined ? {} : { inputs }) };
    await expect(build(sql, {}, options)).rejects.toMatchObject({ code: 'ELT_PUBLISH_TIMEOUT' });
    await reader.end();
    await sweep(runId);
  };
  const published = async () => (await rows('SELECT n::int FROM main.demand'))[0]!['n'];
  await giveUp('r2', 'abc');
  expect(await kept()).toEqual(['demand__r2']);
  // Building anew would count this row.
  await test_.database.execute('INSERT INTO raw.rides VALUES (11, 0, NULL)');
  await giveUp('r3', 'abc');
  expect(await kept()).toEqual(['demand__r2']);
  const progress: unknown[] = [];
  const onProgress = ({ step }: TransformProgress) => progress.push(step);
  expect(await build(sql, {}, { runId: 'r4', inputs: 'abc', onProgress })).toMatchObject({ rows: 1, builtBy: 'r3' });
  expect([progress, await published(), await kept()]).toEqual([['publishing'], 10, []]);

  // Other inputs, other code, something newer published, --force: built anew, and the old stage goes.
  const other: [string, Partial<BuildOptions>][] = [
    [sql, { inputs: 'other' }],
    [`${sql} WHERE true`, { inputs: 'abc' }],
    [sql, {}],
  ];
  for (const [index, [code, options]] of other.entries()) {
    await giveUp(`kept-${index}`, 'abc');
    const result = await build(code, {}, { runId: `anew-${index}`, ...options });
    expect([result.builtBy, await published()]).toEqual([undefined, 11]);
    await sweep(`anew-${index}`);
    expect(await kept()).toEqual([]);
  }
  await giveUp('late', 'abc');
  await test_.database.execute(
    "UPDATE plumbline.transform_builds SET kept_until = now() - interval '1 s' WHERE run_id = 'late'",
  );
  await sweep('late');
  expect(await kept()).toEqual([]);
});

test('what onPublish writes is committed with the table, once', async () => {
  await test_.database.execute('CREATE TABLE raw.mark (xid text)');
  const calls: unknown[] = [];
  const onPublish: BuildOptions['onPublish'] = async (session, result) => {
    calls.push(result);
    await session.execute('INSERT INTO raw.mark VALUES (pg_current_xact_id()::text)');
  };
  const tests: DataTest[] = [{ kind: 'unique', columns: ['id'], at }];
  const { table, kind, rows: built, tests: passed } = await build('SELECT 1 AS id', { tests }, { onPublish });
  expect(calls).toEqual([{ table: 'main.demand', kind: 'table', rows: 1, tests: passed }]);
  expect({ table, kind, built }).toEqual({ table: 'main.demand', kind: 'table', built: 1 });
  expect(await rows('SELECT xid FROM raw.mark')).toEqual(
    await rows(`SELECT xmin::text AS xid FROM plumbline.transform_builds`),
  );
  await build('SELECT 1 AS id', { tests }, { onPublish });
  expect(calls).toHaveLength(1);
});

test('what onPublish throws leaves the old table and no mark; a fault that may pass keeps the tested stage', async () => {
  await test_.database.execute('CREATE TABLE raw.mark (m text)');
  await build("SELECT 'old' AS state", {}, { runId: 'r0' });
  const before = await checksum();
  const sql = 'SELECT clock_timestamp()::text AS state';
  const failing = (error: Error): BuildOptions['onPublish'] =>
    async function (session) {
      await session.execute(`INSERT INTO raw.mark VALUES ('lost')`);
      throw error;
    };
  await expect(build(sql, {}, { onPublish: failing(new TerminalError('X', 'superseded')) })).rejects.toThrow(
    'superseded',
  );
  expect(await orphans()).toEqual([]);
  await expect(build(sql, {}, { onPublish: failing(new TransientError('X', 'not now')) })).rejects.toThrow('not now');
  const kept = await rows('SELECT state FROM stage.demand__r1');
  expect(await checksum()).toEqual(before);
  expect(await rows('SELECT m FROM raw.mark')).toEqual([]);
  await build(sql);
  expect(await rows('SELECT state FROM main.demand')).toEqual(kept);
});

test('a successor ends a predecessor that is still at work, and only one publishes', async () => {
  const slow = build('SELECT 1 AS id FROM (SELECT pg_sleep(20)) s').catch((error: unknown) => error);
  await until(
    async () =>
      (await rows(`SELECT 1 FROM pg_stat_activity WHERE query ~ '^CREATE TABLE.*pg_sleep' AND state = 'active'`))
        .length > 0,
  );
  await build('SELECT 2 AS id');
  expect(await slow).toMatchObject({ code: 'PG_CONNECTION_LOST' });
  expect(await rows('SELECT id FROM main.demand')).toEqual([{ id: 2 }]);
});

test('a zombie whose token is old cannot publish', async () => {
  await build('SELECT 0 AS id', {}, { runId: 'r0' });
  const onProgress = ({ step }: { step: string }) => {
    if (step === 'publishing') void rows(`UPDATE plumbline.transform_builds SET token = token + 1 WHERE run_id = 'r1'`);
  };
  const holder = new pg.Client({ connectionString: test_.url });
  await holder.connect();
  await holder.query('BEGIN; SELECT * FROM main.demand');
  const zombie = build('SELECT 1 AS id', {}, { onProgress });
  setTimeout(() => void holder.end(), 300);
  await expect(zombie).rejects.toMatchObject({ code: 'ELT_BUILD_FENCED' });
  expect(await rows('SELECT id FROM main.demand')).toEqual([{ id: 0 }]);
});

test('a sweep drops the stages of runs that are over and no others', async () => {
  await test_.database.execute(`
    CREATE TABLE stage.demand__dead AS SELECT 1 AS a; CREATE VIEW stage.other__live AS SELECT 1 AS a; CREATE TABLE stage.load_7 AS SELECT 1 AS a;
    INSERT INTO plumbline.runs (run_id, env, project, workflow_id, stages, bundle, status, started_by)
      VALUES ('live', 'dev', 'p', 'w', '{}', 'b', 'running', 'me') ON CONFLICT DO NOTHING;
    INSERT INTO plumbline.transform_builds (schema, name, run_id, token, pid, backend_start, status, digest, kind, stage_schema, stage_name)
      VALUES ('main', 'demand', 'dead', 1, 0, now(), 'tested', '', 'table', 'stage', 'demand__dead'),
             ('main', 'other', 'live', 1, 0, now(), 'building', '', 'view', 'stage', 'other__live')`);
  expect(await sweepBuilds({ database: test_.database, schemas })).toEqual(['stage.demand__dead']);
  expect(await sweepBuilds({ database: test_.database, schemas, endedRunId: 'live' })).toEqual(['stage.other__live']);
  expect(await orphans()).toEqual([{ relname: 'load_7' }]);
});

test('a sweep leaves a stage that somebody reads to the next one', async () => {
  await test_.database.execute(`
    CREATE TABLE stage.a__dead AS SELECT 1 AS a; CREATE VIEW stage.b__dead AS SELECT 1 AS a;
    INSERT INTO plumbline.transform_builds (schema, name, run_id, token, pid, backend_start, status, digest, kind, stage_schema, stage_name)
      VALUES ('main', 'a', 'dead', 1, 0, now(), 'tested', '', 'table', 'stage', 'a__dead'),
             ('main', 'b', 'dead', 1, 0, now(), 'tested', '', 'view', 'stage', 'b__dead')`);
  const dump = new pg.Client({ connectionString: test_.url });
  await dump.connect();
  await dump.query('BEGIN; LOCK TABLE stage.a__dead IN ACCESS SHARE MODE');
  expect(await sweepBuilds({ database: test_.database, schemas })).toEqual(['stage.b__dead']);
  await dump.end();
  expect(await sweepBuilds({ database: test_.database, schemas })).toEqual(['stage.a__dead']);
  expect(await orphans()).toEqual([]);
}, 20_000);

test('a long transform of the same run does not hold up the publication of another', async () => {
  const database = tagDatabase(test_.database, 'plumbline/run/long/1');
  const long = build('SELECT 1 AS id FROM (SELECT pg_sleep(20)) s', { name: 'long' }, { database }).catch(
    () => 'ended',
  );
  const active = () => rows(`SELECT pid FROM pg_stat_activity WHERE query ~ '^CREATE TABLE.*pg_sleep' AND state = 'active'`); // prettier-ignore
  await until(async () => (await active()).length > 0);
  await build('SELECT 2 AS id', {}, { publishTimeoutMs: 2_000 });
  expect(await rows('SELECT id FROM main.demand')).toEqual([{ id: 2 }]);
  const [worker] = await active();
  await test_.database.query('SELECT pg_terminate_backend($1)', [worker?.['pid']]);
  expect(await long).toBe('ended');
});

test('two transforms in parallel publish beside each other under a common view', async () => {
  await test_.database.execute(`CREATE TABLE main.one AS SELECT 0 AS a; CREATE TABLE main.two AS SELECT 0 AS b;
    CREATE VIEW main.both AS SELECT a, b FROM main.one, main.two`);
  await Promise.all(['one', 'two'].map((name, index) => build(`SELECT 1 AS ${'ab'[index]}`, { name })));
  expect(await rows('SELECT * FROM main.both')).toEqual([{ a: 1, b: 1 }]);
});

test('a renamed column reaches a view of the project in two steps, and readers of the view see no gap', async () => {
  await build("SELECT id, kind FROM {{ source('rides') }}", {}, { runId: 'r0' });
  await test_.database.execute(`ALTER TABLE main.demand ADD PRIMARY KEY (id);
    CREATE VIEW main.report AS SELECT kind FROM main.demand; CREATE VIEW main.theirs AS SELECT id FROM main.demand;
    CREATE VIEW main.over_report AS SELECT count(*)::int AS n FROM main.report`);
  const renamed = "SELECT id, kind AS sort FROM {{ source('rides') }} WHERE id < 4";
  await expect(build(renamed, {}, { runId: 'r1' })).rejects.toMatchObject({
    code: 'ELT_SWAP_CANNOT_CARRY',
    message: expect.stringContaining('main.report') as string,
  });
  await build(renamed, {}, { runId: 'r2', builtLater: ['report'] });
  expect(await rows('SELECT n, (SELECT count(*)::int FROM main.theirs) AS theirs FROM main.over_report')).toEqual([
    { n: 10, theirs: 3 },
  ]);
  expect(await sweepBuilds({ database: test_.database, schemas })).toEqual([]);
  await build('SELECT sort AS kind FROM main.demand', { name: 'report', materialized: 'view' }, { runId: 'r2' });
  expect(await rows('SELECT * FROM main.over_report')).toEqual([{ n: 3 }]);
  expect(await orphans()).toEqual([]);
  expect(
    await rows(`SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indrelid = 'main.demand'::regclass`),
  ).toEqual([{ name: 'main.demand_pkey' }]);
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

test('a failing test of severity warn is kept with the build, and the table published', async () => {
  const tests: DataTest[] = [
    { kind: 'not_null', columns: ['name'], severity: 'warn', at },
    { kind: 'not_null', columns: ['id'], at },
  ];
  const result = await build("SELECT * FROM {{ source('rides') }}", { tests });
  expect(result.tests).toMatchObject([
    { name: 'not_null(name)', severity: 'warn', passed: false, failures: 2, at },
    { name: 'not_null(id)', severity: 'error', passed: true },
  ]);
  expect(await rows('SELECT count(*)::int AS n FROM main.demand')).toEqual([{ n: 10 }]);
  expect(await rows(`SELECT status, tests -> 0 -> 'failures' AS failures FROM plumbline.transform_builds`)).toEqual([
    { status: 'published', failures: 2 },
  ]);
  const failing: DataTest[] = [...tests, { kind: 'unique', columns: ['kind'], at }];
  await expect(
    build('SELECT 1 AS kind, 1 AS id, NULL AS name UNION ALL SELECT 1, 2, NULL', { tests: failing }, { runId: 'r2' }),
  ).rejects.toMatchObject({
    details: { tests: [{ name: 'unique(kind)' }] },
  });
});

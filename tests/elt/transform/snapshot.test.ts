import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildTransform } from '../../../src/elt/transform/build-transform.js';
import { compileTransforms } from '../../../src/elt/transform/compile-transforms.js';
import type { DataTest, SnapshotConfig, TransformFile } from '../../../src/model/project.js';
import { createTestDatabase, type TestDatabase } from '../../setup/database.js';

const schemas = { raw: 'raw', main: 'main', stage: 'stage' };
const TIMESTAMP: SnapshotConfig = {
  uniqueKey: ['id'],
  updatedAt: 'at',
  checkColumns: 'all',
  closesDeleted: false,
  allowEmpty: false,
};
const { updatedAt: _updatedAt, ...CHECK } = TIMESTAMP;
const SQL = 'SELECT id, name, at FROM raw.people';
let test: TestDatabase;
let runs = 0;

beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(() => test.drop());
beforeEach(() =>
  test.database.execute(
    `DROP SCHEMA IF EXISTS raw, main, stage CASCADE; CREATE SCHEMA raw; CREATE SCHEMA main; CREATE SCHEMA stage;
     CREATE TABLE raw.people (id int, name text, at timestamp)`,
  ),
);

interface Build {
  readonly snapshot?: SnapshotConfig;
  readonly sql?: string;
  readonly tests?: DataTest[];
  readonly materialized?: TransformFile['materialized'];
}

/** One run over these rows: `id name at`. */
async function snap(
  rows: readonly string[],
  { snapshot = TIMESTAMP, sql = SQL, tests = [], materialized = 'snapshot' }: Build = {},
) {
  await test.database.execute('TRUNCATE raw.people');
  for (const row of rows) {
    const [id, name, at] = row.split(' ');
    await test.database.query('INSERT INTO raw.people VALUES ($1, $2, $3)', [id, name, at]);
  }
  const files: TransformFile[] = [
    {
      name: 'people',
      file: 'snapshots/people.sql',
      sql,
      materialized,
      tests,
      ...(materialized === 'snapshot' ? { snapshot } : {}),
    },
  ];
  const [node] = compileTransforms({ transforms: files, schemas, resources: [] }).nodes;
  return buildTransform({ database: test.database, schemas, node: node!, runId: `r${++runs}`, isIncremental: true });
}

/** `id name from→to`; times of the run itself as `run`. */
const states = async (columns = 'id, name'): Promise<string[]> =>
  (
    await test.database.query<{ state: string }>(
      `SELECT concat_ws(' ', ${columns},
         CASE WHEN dbt_valid_from > '2025-01-01' THEN 'run' ELSE dbt_valid_from::date::text END || '→' ||
         CASE WHEN dbt_valid_to > '2025-01-01' THEN 'run' ELSE coalesce(dbt_valid_to::date::text, '') END) AS state
       FROM main.people ORDER BY id, dbt_valid_from`,
    )
  ).map(({ state }) => state);

/** At any time a row has at most one state, no state ends before it begins, and each has an id of its own. */
async function assertSound(): Promise<void> {
  expect(
    await test.database.query(
      `SELECT a.id FROM main.people a JOIN main.people b ON a.id = b.id AND a.dbt_scd_id < b.dbt_scd_id
         AND a.dbt_valid_from < coalesce(b.dbt_valid_to, 'infinity') AND b.dbt_valid_from < coalesce(a.dbt_valid_to, 'infinity')
       UNION ALL SELECT id FROM main.people WHERE dbt_valid_to < dbt_valid_from
       UNION ALL SELECT min(id) FROM main.people GROUP BY dbt_scd_id HAVING count(*) > 1`,
    ),
  ).toEqual([]);
}

describe('strategy timestamp', () => {
  it('ends the state that changed where the next begins, adds rows, and leaves what is unchanged or older', async () => {
    expect(await snap(['1 Ann 2024-01-01', '2 Bob 2024-01-01'])).toMatchObject({ rows: 2, incrementRows: 2 });
    expect(await snap(['1 Ann 2024-01-01', '2 Bob 2024-01-01'])).toMatchObject({ rows: 2, incrementRows: 0 });
    // Row 2 is gone and may stay; row 1 changed; row 3 is new.
    const built = await snap(['1 Anna 2024-02-01', '3 Cid 2023-05-05']);
    expect(built).toMatchObject({ table: 'main.people', kind: 'table', rows: 4, incrementRows: 2 });
    await snap(['1 Older 2024-01-15', '3 Same 2023-05-05']);
    expect(await states()).toEqual([
      '1 Ann 2024-01-01→2024-02-01',
      '1 Anna 2024-02-01→',
      '2 Bob 2024-01-01→',
      '3 Cid 2023-05-05→',
    ]);
    expect(
      await test.database.query(
        `SELECT string_agg(column_name || ' ' || data_type, ', ' ORDER BY ordinal_position) AS columns
         FROM information_schema.columns WHERE table_schema = 'main'`,
      ),
    ).toEqual([
      {
        columns:
          'id integer, name text, at timestamp without time zone, dbt_scd_id text, dbt_updated_at timestamp with time zone, ' +
          'dbt_valid_from timestamp with time zone, dbt_valid_to timestamp with time zone',
      },
    ]);
    await assertSound();
  });

  it('ends rows that are gone when asked, begins them anew when they are back, and refuses to end all', async () => {
    const snapshot = { ...TIMESTAMP, closesDeleted: true };
    await snap(['1 Ann 2024-01-01', '2 Bob 2024-01-01'], { snapshot });
    await snap(['1 Ann 2024-01-01'], { snapshot });
    await expect(snap([], { snapshot })).rejects.toMatchObject({ code: 'ELT_SNAPSHOT_EMPTY' });
    expect(await states()).toEqual(['1 Ann 2024-01-01→', '2 Bob 2024-01-01→run']);
    await snap(['1 Ann 2024-01-01', '2 Bob 2024-01-01'], { snapshot });
    expect(await states()).toEqual(['1 Ann 2024-01-01→', '2 Bob 2024-01-01→run', '2 Bob run→']);
    await assertSound();
    await snap([], { snapshot: { ...snapshot, allowEmpty: true } });
    expect((await states()).filter((state) => state.endsWith('→'))).toEqual([]);
    await assertSound();
  });
});

it.each([false, true])('a row that was gone and is back changes by its own clock, also one that is behind (new_record: %s)', async (recordsDeleted) => {
  const snapshot = { ...TIMESTAMP, closesDeleted: true, ...(recordsDeleted && { recordsDeleted }) };
  const other = '9 Zoe 2024-01-01';
  await snap(['1 Ann 2024-01-01', other], { snapshot });
  await snap([other], { snapshot });
  await snap(['1 Ann 2024-01-01', other], { snapshot });
  expect(await snap(['1 Anna 2024-05-01', other], { snapshot })).toMatchObject({ incrementRows: 1 });
  expect(await snap(['1 Anna 2024-05-01', other], { snapshot })).toMatchObject({ incrementRows: 0 });
  expect((await states()).slice(-3, -1)).toEqual(['1 Ann run→run', '1 Anna run→']);
  await assertSound();
}); // prettier-ignore

describe('hard_deletes: new_record', () => {
  const MARKED = { ...TIMESTAMP, closesDeleted: true, recordsDeleted: true as const };
  const marked = () => states('id, name, dbt_is_deleted');

  it('begins a state that says a row is gone, once, and ends it when the row is back, changed or not', async () => {
    await snap(['1 Ann 2024-01-01', '2 Bob 2024-01-01', '3 Cid 2024-01-01'], { snapshot: MARKED });
    await snap(['1 Ann 2024-01-01'], { snapshot: MARKED });
    expect(await snap(['1 Ann 2024-01-01'], { snapshot: MARKED })).toMatchObject({ incrementRows: 0 });
    const gone = ['2 Bob False 2024-01-01→run', '2 Bob True run→', '3 Cid False 2024-01-01→run', '3 Cid True run→'];
    expect(await marked()).toEqual(['1 Ann False 2024-01-01→', ...gone]);
    await assertSound();
    await snap(['1 Ann 2024-01-01', '2 Bob 2024-01-01', '3 Cyd 2099-01-01'], { snapshot: MARKED });
    expect(await marked()).toEqual([
      '1 Ann False 2024-01-01→',
      '2 Bob False 2024-01-01→run',
      '2 Bob True run→run',
      '2 Bob False run→',
      '3 Cid False 2024-01-01→run',
      '3 Cid True run→run',
      '3 Cyd False run→',
    ]);
    await assertSound();
    await expect(snap([], { snapshot: MARKED })).rejects.toMatchObject({ code: 'ELT_SNAPSHOT_EMPTY' });
    await snap([], { snapshot: { ...MARKED, allowEmpty: true } });
    // All that is current says that it is gone: no rows are no news.
    expect(await snap([], { snapshot: MARKED })).toMatchObject({ incrementRows: 0 });
    await assertSound();
  });

  it('takes over a history that was kept without it, with a new column at once, and does not go back', async () => {
    const check = { ...CHECK, closesDeleted: true };
    await snap(['1 Ann 2024-01-01', '2 Bob 2024-01-01'], { snapshot: check, sql: 'SELECT id, name FROM raw.people' });
    await snap(['2 Bob 2024-01-01'], { snapshot: { ...check, recordsDeleted: true } });
    expect(await states(`id, name, dbt_is_deleted, coalesce(at::date::text, '∅')`)).toEqual([
      '1 Ann False ∅ run→run',
      '1 Ann True ∅ run→',
      '2 Bob False ∅ run→run',
      '2 Bob False 2024-01-01 run→',
    ]);
    await assertSound();
    await expect(snap(['2 Bob 2024-01-01'], { snapshot: check })).rejects.toMatchObject({
      code: 'ELT_SNAPSHOT_COLUMNS',
      message: expect.stringContaining('it was kept with hard_deletes: new_record') as string,
    });
  });
});

describe('strategy check', () => {
  it('compares the columns named, NULLs too, and counts its own time', async () => {
    const snapshot = { ...CHECK, checkColumns: ['name'] };
    await snap(['1 Ann 2024-01-01', '2 Bob 2024-01-01'], { snapshot });
    await snap(['1 Ann 2024-09-09', '2 Rob 2024-01-01'], { snapshot });
    await snap(['1 Ann 2024-09-09'], { snapshot, sql: 'SELECT id, NULL::text AS name, at FROM raw.people' });
    expect(await states(`id, coalesce(name, '∅'), at::date`)).toEqual([
      '1 Ann 2024-01-01 run→run',
      '1 ∅ 2024-09-09 run→',
      '2 Bob 2024-01-01 run→run',
      '2 Rob 2024-01-01 run→',
    ]);
    await assertSound();
  });

  it('sees no change in a row, or an element of one, that was loaded again', async () => {
    const loaded = (id: number): Build => ({
      snapshot: CHECK,
      sql: `SELECT id, name, ${id} AS _load_id, ${id} AS _row_number, ${id} AS _loaded_at, ${id} AS _parent_load_id,
        ${id} AS _parent_row_number, ${id} AS _root_row_number FROM raw.people`,
    });
    await snap(['1 Ann 2024-01-01'], loaded(1));
    expect(await snap(['1 Ann 2024-01-01'], loaded(2))).toMatchObject({ rows: 1, incrementRows: 0 });
  });

  it('takes a new column in beside the history, and goes on without one that is gone', async () => {
    const all = { snapshot: CHECK, sql: 'SELECT id, name FROM raw.people' };
    await snap(['1 Ann 2024-01-01'], all);
    await test.database.execute('CREATE VIEW main.reader AS SELECT name FROM main.people');
    expect(
      await snap(['1 Ann 2024-01-01'], { ...all, sql: 'SELECT id, name, 7 AS age FROM raw.people' }),
    ).toMatchObject({
      rows: 2,
      incrementRows: 1,
    });
    expect(await states(`id, name, coalesce(age::text, '∅')`)).toEqual(['1 Ann ∅ run→run', '1 Ann 7 run→']);
    await snap(['1 Bea 2024-01-01'], all);
    expect(await states(`id, name, coalesce(age::text, '∅')`)).toEqual([
      '1 Ann ∅ run→run',
      '1 Ann 7 run→run',
      '1 Bea ∅ run→',
    ]);
    expect(await test.database.query('SELECT name FROM main.reader ORDER BY 1')).toHaveLength(3);
    await assertSound();
  });
});

it.each<[string, Build, string, string]>([
  ['a key twice', { sql: 'SELECT 1 AS id, at FROM raw.people' }, 'ELT_SNAPSHOT_ROWS', 'occurs in 2 rows'],
  ['a NULL in the key', { sql: 'SELECT nullif(id, 2) AS id, at FROM raw.people' }, 'ELT_SNAPSHOT_ROWS', 'has a NULL'],
  [
    'a NULL in updated_at',
    { sql: "SELECT id, nullif(at, '2024-03-03') AS at FROM raw.people" },
    'ELT_SNAPSHOT_ROWS',
    'has a NULL',
  ],
  ['a column that is not there', { sql: 'SELECT id FROM raw.people' }, 'ELT_SNAPSHOT_COLUMNS', 'names at'],
  ['a column of its own', { sql: 'SELECT *, 1 AS dbt_scd_id FROM raw.people' }, 'ELT_SNAPSHOT_COLUMNS', 'dbt_scd_id'],
  [
    'another type',
    { sql: 'SELECT id, 1 AS name, at FROM raw.people' },
    'ELT_SNAPSHOT_COLUMNS',
    'name is integer, was text',
  ],
  [
    'updated_at that is no time',
    { sql: 'SELECT id, name AS at FROM raw.people' },
    'ELT_SNAPSHOT_COLUMNS',
    'expected a date',
  ],
  ['another kind of table', { materialized: 'table' }, 'ELT_SNAPSHOT_REPLACED', 'lose its history'],
  [
    'a failing test',
    { tests: [{ kind: 'row_count', max: 2, at: { file: 'x', line: 1 } }] },
    'ELT_TEST_FAILED',
    'row_count',
  ],
])('%s: refused, and the history is what it was', async (_what, build, code, message) => {
  await snap(['1 Ann 2024-01-01', '2 Bob 2024-01-01']);
  const before = await test.database.query('SELECT p.*, xmin FROM main.people p');
  await expect(snap(['1 Anna 2024-02-02', '2 Rob 2024-03-03'], build)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message) as string,
  });
  expect(await test.database.query('SELECT p.*, xmin FROM main.people p')).toEqual(before);
  expect(await test.database.query(`SELECT relname FROM pg_class WHERE relnamespace = 'stage'::regnamespace`)).toEqual(
    [],
  );
});

it('a table of that name that is no snapshot is left alone', async () => {
  await test.database.execute('CREATE TABLE main.people AS SELECT 1 AS id');
  await expect(snap(['1 Ann 2024-01-01'])).rejects.toMatchObject({ code: 'ELT_SNAPSHOT_COLUMNS' });
  expect(await test.database.query('SELECT * FROM main.people')).toEqual([{ id: 1 }]);
});

it('killed before its commit, a run leaves the history of before, and its next attempt adds each state once', async () => {
  const define = (round: number): string =>
    `SELECT i AS id, CASE WHEN i < 500 THEN ${round} ELSE 0 END AS name FROM generate_series(1, 1000) i`;
  const transforms: TransformFile[] = [
    { name: 'demand', file: 'sql/demand.sql', sql: define(2), materialized: 'snapshot', snapshot: CHECK, tests: [] },
  ];
  const attempt = async (runId: string, sql: string) => {
    const [node] = compileTransforms({ transforms: [{ ...transforms[0]!, sql }], schemas, resources: [] }).nodes;
    return buildTransform({ database: test.database, schemas, node: node!, runId });
  };
  const counts = async () =>
    (
      await test.database.query(
        'SELECT count(*)::int AS states, count(*) FILTER (WHERE dbt_valid_to IS NULL)::int AS current FROM main.demand',
      )
    )[0];
  await attempt('before', define(1));
  const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  const loader = pathToFileURL(path('../../setup/typescript-loader.mjs')).href;
  const settings = JSON.stringify({ materialized: 'snapshot', snapshot: CHECK });
  const child = spawn(
    process.execPath,
    ['--import', loader, path('build-child.ts'), test.url, 'killed', define(2), settings],
    { env: { ...process.env, PLUMBLINE_FAILPOINTS: 'increment.before-commit=kill' }, stdio: 'ignore' },
  );
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
  expect(await counts()).toEqual({ states: 1000, current: 1000 });
  for (let nth = 0; nth < 2; nth++) {
    await attempt('killed', define(2));
    expect(await counts()).toEqual({ states: 1499, current: 1000 });
  }
});

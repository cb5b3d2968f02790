import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildTransform, type BuildOptions } from '../../../src/elt/transform/build-transform.js';
import { compileTransforms } from '../../../src/elt/transform/compile-transforms.js';
import { DataTestError } from '../../../src/elt/tests/errors.js';
import type { DataTest, IncrementalConfig } from '../../../src/model/project.js';
import { createTestDatabase, type TestDatabase } from '../../setup/database.js';

const schemas = { raw: 'raw', main: 'main', stage: 'stage' };
const at = { file: 'plumbline.yaml', line: 12 };
const SINCE = `SELECT id, day, n FROM raw.rides {% if is_incremental() %} WHERE day >= (SELECT max(day) FROM {{ this }}) {% endif %}`;
const BY_KEY: IncrementalConfig = { strategy: 'merge', uniqueKey: ['id'], onSchemaChange: 'fail' };
const BY_DAY: IncrementalConfig = {
  strategy: 'delete+insert',
  uniqueKey: [],
  intervalColumn: 'day',
  onSchemaChange: 'fail',
};
let test_: TestDatabase;
let run = 0;

beforeAll(async () => {
  test_ = await createTestDatabase();
});
afterAll(() => test_.drop());
beforeEach(async () => {
  await test_.database.execute(`
    DROP SCHEMA IF EXISTS raw, main, stage CASCADE; TRUNCATE plumbline.transform_builds;
    CREATE SCHEMA raw; CREATE SCHEMA main; CREATE SCHEMA stage;
    CREATE TABLE raw.rides (id int, day date, n int);
    INSERT INTO raw.rides VALUES (1, '2025-01-01', 10), (2, '2025-01-02', 20), (3, '2025-01-02', 30)`);
});

const rows = (sql: string) => test_.database.query(sql);
const table = async () =>
  (await rows('SELECT id, day::text, n FROM main.demand ORDER BY id, n')).map(({ id, day, n }) => [id, day, n]);
const orphans = () => rows(`SELECT relname FROM pg_class WHERE relnamespace = 'stage'::regnamespace`);
const oid = async () => (await rows(`SELECT 'main.demand'::regclass::oid AS oid`))[0];

interface More extends Partial<BuildOptions> {
  readonly sql?: string;
  readonly config?: IncrementalConfig;
  readonly tests?: readonly DataTest[];
}
function build({ sql = SINCE, config = BY_KEY, tests = [], ...options }: More = {}) {
  const file = {
    name: 'demand',
    file: 'sql/demand.sql',
    sql,
    materialized: 'incremental' as const,
    incremental: config,
    tests,
  };
  const [node] = compileTransforms({ transforms: [file], schemas, resources: [] }).nodes;
  return buildTransform({
    database: test_.database,
    schemas,
    node: node!,
    runId: `r${++run}`,
    isIncremental: true,
    ...options,
  });
}

describe('merge', () => {
  test('builds the table whole at first, then only updates and adds what the SELECT gives', async () => {
    expect(await build()).not.toHaveProperty('incrementRows');
    const before = await oid();
    await test_.database.execute(`GRANT SELECT ON main.demand TO public; UPDATE raw.rides SET n = 11 WHERE id = 1;
      UPDATE raw.rides SET n = 31 WHERE id = 3; INSERT INTO raw.rides VALUES (4, '2025-01-03', 40)`);
    expect(await build()).toMatchObject({ rows: 4, incrementRows: 3 });
    // Row 1 is older than what the SELECT looks at.
    expect(await table()).toEqual([
      [1, '2025-01-01', 10],
      [2, '2025-01-02', 20],
      [3, '2025-01-02', 31],
      [4, '2025-01-03', 40],
    ]);
    expect(await oid()).toEqual(before);
    expect(await orphans()).toEqual([]);
  });

  test('built whole takes up what an increment would not see', async () => {
    await build();
    await test_.database.execute('UPDATE raw.rides SET n = 11 WHERE id = 1');
    expect(await build({ isIncremental: false })).not.toHaveProperty('incrementRows');
    expect((await table())[0]).toEqual([1, '2025-01-01', 11]);
  });

  test('takes the place of a view of its name, and writes nothing into what that reads', async () => {
    await test_.database.execute(`CREATE VIEW main.demand AS SELECT id, day, n FROM raw.rides WHERE n < 30`);
    const sql = `SELECT id, day, n + 1 AS n FROM raw.rides WHERE day = '2025-01-02'`;
    expect(await build({ sql, config: BY_DAY })).toMatchObject({ kind: 'table', rows: 2 });
    expect(await table()).toEqual([
      [2, '2025-01-02', 21],
      [3, '2025-01-02', 31],
    ]);
    expect(await rows('SELECT id, n FROM raw.rides ORDER BY id')).toEqual([
      { id: 1, n: 10 },
      { id: 2, n: 20 },
      { id: 3, n: 30 },
    ]);
  });

  test.each([
    [
      'a key that comes twice',
      `INSERT INTO raw.rides VALUES (3, '2025-01-03', 1)`,
      'the key {"id":3} occurs in 2 rows',
    ],
    ['a key that is NULL', `INSERT INTO raw.rides VALUES (NULL, '2025-01-03', 1)`, 'the key {"id":null} has a NULL'],
  ])('refuses %s and leaves the table as it was', async (_, change, message) => {
    await build();
    const before = await table();
    await test_.database.execute(change);
    for (const isIncremental of [true, false])
      await expect(build({ isIncremental })).rejects.toMatchObject({
        code: 'ELT_INCREMENT_KEY',
        terminal: true,
        at: { file: 'sql/demand.sql' },
        message: expect.stringContaining(message) as string,
      });
    expect(await table()).toEqual(before);
    expect(await orphans()).toEqual([]);
  });
});

describe('delete+insert', () => {
  test('replaces the interval that the new rows span, rows gone from the source included', async () => {
    await build({ config: BY_DAY });
    await test_.database.execute(
      `DELETE FROM raw.rides WHERE id IN (1, 2); INSERT INTO raw.rides VALUES (5, '2025-01-04', 50)`,
    );
    await build({ config: BY_DAY });
    expect(await table()).toEqual([
      [1, '2025-01-01', 10],
      [3, '2025-01-02', 30],
      [5, '2025-01-04', 50],
    ]);
  });

  test('by key removes every row of a key and may add several', async () => {
    const config: IncrementalConfig = { ...BY_KEY, strategy: 'delete+insert' };
    await build({ config });
    await test_.database.execute(`INSERT INTO raw.rides VALUES (3, '2025-01-02', 31)`);
    await build({ config });
    await build({ config });
    expect((await table()).filter(([id]) => id === 3)).toEqual([
      [3, '2025-01-02', 30],
      [3, '2025-01-02', 31],
    ]);
  });

  test('of no rows changes nothing', async () => {
    await build({ config: BY_DAY });
    const before = await table();
    await test_.database.execute('TRUNCATE raw.rides');
    expect(await build({ config: BY_DAY })).toMatchObject({ rows: 3, incrementRows: 0 });
    expect(await table()).toEqual(before);
  });
});

describe('the new state', () => {
  const few: DataTest[] = [{ kind: 'row_count', max: 3, at }];

  test('is tested with the old rows in it, and a failing test leaves the table', async () => {
    await build({ tests: few });
    const before = await table();
    await test_.database.execute(`INSERT INTO raw.rides VALUES (4, '2025-01-03', 40)`);
    await expect(build({ tests: few })).rejects.toBeInstanceOf(DataTestError);
    expect(await table()).toEqual(before);
    expect(await orphans()).toEqual([]);
    expect(
      await rows(`SELECT tests -> 0 -> 'passed' AS passed FROM plumbline.transform_builds WHERE status = 'failed'`),
    ).toEqual([{ passed: false }]);
  });

  test('is seen by nobody while it is tested, and nobody waits', async () => {
    const slow: DataTest[] = [{ kind: 'sql', name: 'slow', sql: 'SELECT 1 FROM pg_sleep(0.3) WHERE false', at }];
    await build();
    await test_.database.execute(`INSERT INTO raw.rides VALUES (4, '2025-01-03', 40)`);
    let seen: Promise<unknown> | undefined;
    await build({
      tests: slow,
      onProgress: ({ step }) => {
        if (step === 'testing') seen = table();
      },
    });
    expect(await seen).toHaveLength(3);
    expect(await table()).toHaveLength(4);
  });

  test('is not published when what has to be recorded with it fails', async () => {
    await build();
    const before = await table();
    await test_.database.execute(`INSERT INTO raw.rides VALUES (4, '2025-01-03', 40)`);
    const onPublish = () => Promise.reject(new Error('lost the lease'));
    await expect(build({ onPublish })).rejects.toThrow('lost the lease');
    expect(await table()).toEqual(before);
  });

  test('that a constraint of the table refuses names the file', async () => {
    await build();
    await test_.database.execute(
      `ALTER TABLE main.demand ADD CHECK (n < 40); INSERT INTO raw.rides VALUES (4, '2025-01-03', 40)`,
    );
    await expect(build()).rejects.toMatchObject({ code: 'ELT_SQL_ERROR', at: { file: 'sql/demand.sql' } });
    expect(await table()).toHaveLength(3);
  });
});

describe('a SELECT with other columns', () => {
  const all = SINCE.replace('id, day, n', '*');

  test('fails and names them', async () => {
    await build({ sql: all });
    await test_.database.execute('ALTER TABLE raw.rides ADD COLUMN shop text, ALTER COLUMN n TYPE bigint');
    await expect(build({ sql: all })).rejects.toMatchObject({
      code: 'ELT_INCREMENT_COLUMNS',
      message: expect.stringContaining('n is bigint, was integer; shop is new') as string,
    });
    expect(await table()).toHaveLength(3);
  });

  test('adds new ones under append_new_columns, with NULL in the rows of before and all that hangs on the table', async () => {
    const config: IncrementalConfig = { ...BY_KEY, onSchemaChange: 'append_new_columns' };
    await build({ sql: all, config });
    await test_.database.execute(`CREATE VIEW main.reader AS SELECT sum(n)::int AS sum FROM main.demand;
      CREATE INDEX demand_by_day ON main.demand (day); ALTER TABLE raw.rides ADD COLUMN shop text;
      INSERT INTO raw.rides VALUES (4, '2025-01-03', 40, 'harbour')`);
    expect(await build({ sql: all, config })).toMatchObject({ rows: 4, incrementRows: 3 });
    expect(await rows('SELECT id, shop FROM main.demand ORDER BY id')).toEqual([
      { id: 1, shop: null },
      { id: 2, shop: null },
      { id: 3, shop: null },
      { id: 4, shop: 'harbour' },
    ]);
    expect(
      await rows(
        `SELECT sum, (SELECT count(*)::int FROM pg_indexes WHERE indexname = 'demand_by_day') AS indexes FROM main.reader`,
      ),
    ).toEqual([{ sum: 100, indexes: 1 }]);
    expect(await orphans()).toEqual([]);
  });
});

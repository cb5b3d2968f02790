import { expect, test } from 'vitest';
import { compileTransforms } from '../../../src/elt/transform/compile-transforms.js';
import type { PipelineError } from '../../../src/errors.js';
import type { DataTest, ResourceConfig, TransformFile } from '../../../src/model/project.js';

const schemas = { raw: 'bike_dev_raw', main: 'bike_dev', stage: 'bike_dev_stage' };
const resources = [
  { id: 'rides', table: 'rides' },
  { id: 'weather.hourly', table: 'weather_hourly' },
] as unknown as ResourceConfig[];
const at = { file: 'plumbline.yaml', line: 7 };
const file = (name: string, sql: string, tests: DataTest[] = []): TransformFile => ({
  name,
  file: `sql/${name}.sql`,
  sql,
  materialized: 'table',
  tests,
});
const compile = (...transforms: TransformFile[]) => compileTransforms({ transforms, schemas, resources });
const failure = (...transforms: TransformFile[]): Partial<PipelineError> => {
  try {
    compile(...transforms);
  } catch (error) {
    return error as PipelineError;
  }
  throw new Error('expected an error');
};

test('puts each transform after those it refers to and groups what may run together', () => {
  const { nodes, levels } = compile(
    file('report', "SELECT * FROM {{ ref('demand') }} JOIN {{ ref('calendar') }} USING (h)"),
    file('demand', "SELECT * FROM {{ source('rides') }}"),
    file('calendar', "SELECT * FROM {{ source('weather', 'hourly') }}"),
  );
  expect(levels).toEqual([['calendar', 'demand'], ['report']]);
  expect(nodes.map(({ name, deps, sources }) => ({ name, deps, sources }))).toEqual([
    { name: 'calendar', deps: [], sources: ['weather.hourly'] },
    { name: 'demand', deps: [], sources: ['rides'] },
    { name: 'report', deps: ['calendar', 'demand'], sources: [] },
  ]);
  expect(nodes[1]!.sql).toBe('SELECT * FROM "bike_dev_raw"."rides"');
  expect(nodes[2]!.sql).toBe('SELECT * FROM "bike_dev"."demand" JOIN "bike_dev"."calendar" USING (h)');
});

test('a test that reads another transform waits for it', () => {
  const tests: DataTest[] = [{ kind: 'relationships', column: 'kind', to: 'kinds', field: 'id', at }];
  const { levels } = compile(file('a_demand', 'SELECT 1 AS kind', tests), file('kinds', 'SELECT 1 AS id'));
  expect(levels).toEqual([['kinds'], ['a_demand']]);
});

test('prints the path of a cycle', () => {
  expect(
    failure(
      file('start', "SELECT * FROM {{ ref('a') }}"),
      file('a', "SELECT * FROM {{ ref('b') }}"),
      file('b', "SELECT * FROM {{ ref('c') }}"),
      file('c', "SELECT * FROM {{ ref('a') }}"),
    ),
  ).toMatchObject({ code: 'ELT_SQL_CYCLE', message: expect.stringContaining('a → b → c → a') as string });
  expect(failure(file('self', "SELECT * FROM {{ ref('self') }}"))).toMatchObject({
    code: 'ELT_SQL_CYCLE',
    message: expect.stringContaining('self → self') as string,
    at: { file: 'sql/self.sql' },
  });
});

test('names the nearest transform for an unknown ref, in a SELECT and in a test', () => {
  expect(failure(file('demand', 'SELECT 1'), file('x', "SELECT 1\nFROM {{ ref('demands') }}"))).toMatchObject({
    code: 'SQL_UNKNOWN_REF',
    at: { file: 'sql/x.sql', line: 2 },
    next: expect.stringContaining('demand') as string,
  });
  const tests: DataTest[] = [{ kind: 'relationships', column: 'a', to: 'demnad', field: 'b', at }];
  expect(failure(file('demand', 'SELECT 1', tests))).toMatchObject({ code: 'SQL_UNKNOWN_REF', at });
});

test('refuses two files for one table', () => {
  expect(failure(file('a', 'SELECT 1'), { ...file('a', 'SELECT 2'), file: 'sql/more/a.sql' })).toMatchObject({
    code: 'ELT_SQL_DUPLICATE',
    at: { file: 'sql/more/a.sql' },
  });
});

test('the digest changes with the SQL, the kind and the tests only', () => {
  const digest = (transform: TransformFile) => compile(transform).nodes[0]!.digest;
  const base = digest(file('a', 'SELECT 1'));
  expect(digest({ ...file('a', 'SELECT 1'), file: 'sql/moved/a.sql' })).toBe(base);
  expect(digest(file('a', 'SELECT 2'))).not.toBe(base);
  expect(digest({ ...file('a', 'SELECT 1'), materialized: 'view' })).not.toBe(base);
  expect(digest(file('a', 'SELECT 1', [{ kind: 'row_count', min: 1, at }]))).not.toBe(base);
});

test.each([
  ['a closing semicolon', 'SELECT 1; -- end\n', 'SELECT 1        \n'],
  [
    'semicolons in strings and comments',
    `SELECT ';' -- ;\n, $$;$$, $a$;$b$;$a$, e'\\';', ";" /* ; /* ; */ ; */`,
    undefined,
  ],
  ['parentheses', '(SELECT 1) UNION (SELECT 2)', undefined],
  ['VALUES', 'VALUES (1)', undefined],
  ['a CTE', 'WITH a AS (SELECT 1) SELECT * FROM a', undefined],
])('accepts %s', (_, sql, expected) => {
  expect(compile(file('a', sql)).nodes[0]!.sql).toBe(expected ?? sql);
});

test.each([
  ['a second statement', '-- top\nSELECT 1;\n\n DROP TABLE x', 4, 'a second one after the semicolon'],
  ['another statement', '\nDELETE FROM x', 2, 'got DELETE'],
  ['only comments', '-- nothing\n/* SELECT 1 */', 1, 'no statement'],
  ['a string closed by a quote, not a backslash', "SELECT '\\'; DROP TABLE x; --'", 1, 'a second one'],
])('refuses %s at its line', (_, sql, line, problem) => {
  expect(failure(file('a', sql))).toMatchObject({
    code: 'ELT_SQL_NOT_A_SELECT',
    at: { file: 'sql/a.sql', line },
    message: expect.stringContaining(problem) as string,
  });
});

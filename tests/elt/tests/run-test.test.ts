import { afterAll, beforeAll, expect, test } from 'vitest';
import { compileTest } from '../../../src/elt/tests/compile-test.js';
import { DataTestError } from '../../../src/elt/tests/errors.js';
import { runTest, type TestResult } from '../../../src/elt/tests/run-test.js';
import type { DataTest } from '../../../src/model/project.js';
import { createTestDatabase, type TestDatabase } from '../../setup/database.js';

const at = { file: 'plumbline.yaml', line: 9 };
let test_: TestDatabase;

beforeAll(async () => {
  test_ = await createTestDatabase();
  await test_.database.execute(`
    CREATE SCHEMA main; CREATE SCHEMA raw;
    CREATE TABLE main.kinds (id int, label text); INSERT INTO main.kinds VALUES (1, 'a'), (2, 'b'), (NULL, 'c');
    CREATE TABLE raw.stations (code text); INSERT INTO raw.stations VALUES ('x');
    CREATE TABLE main.demand (id int, kind int, label text, ratio numeric, flag boolean, day date);
    INSERT INTO main.demand VALUES
      (1, 1, 'x', 0.5, true, '2024-01-01'), (2, 2, 'it''s', 1.0, false, '2024-01-02'), (3, NULL, NULL, NULL, NULL, NULL),
      (3, 9, '\\', 2.50, true, '2024-01-01'), (NULL, NULL, 'x', NULL, NULL, NULL)`);
});
afterAll(() => test_.drop());

const context = {
  name: 'demand',
  refs: new Map([
    ['demand', '"main"."demand"'],
    ['kinds', '"main"."kinds"'],
  ]),
  sources: new Map([['stations', '"raw"."stations"']]),
  macros: [{ file: 'macros/m.sql', sql: '{% macro below(c) %}{{ c }} < 3{% endmacro %}' }],
};
async function run(data: DataTest): Promise<TestResult> {
  const [compiled] = compileTest(data, context);
  return test_.database.session((session) => runTest(session, compiled!, '"main"."demand"'));
}

test.each<[string, DataTest, number]>([
  ['not_null counts rows', { kind: 'not_null', columns: ['kind'], at }, 2],
  ['unique counts values that occur again and passes NULL', { kind: 'unique', columns: ['id'], at }, 1],
  ['unique of two columns passes a row with a NULL', { kind: 'unique', columns: ['id', 'kind'], at }, 0],
  ['unique of two columns counts equal pairs', { kind: 'unique', columns: ['day', 'flag'], at }, 1],
  ['accepted_values passes NULL', { kind: 'accepted_values', column: 'kind', values: [1, 2, 9], at }, 0],
  ['accepted_values counts values', { kind: 'accepted_values', column: 'kind', values: [1], at }, 2],
  [
    'accepted_values of texts with quotes',
    { kind: 'accepted_values', column: 'label', values: ['x', "it's", '\\'], at },
    0,
  ],
  [
    'accepted_values of numbers that are equal, not spelt alike',
    { kind: 'accepted_values', column: 'ratio', values: [0.5, 1, 2.5], at },
    0,
  ],
  [
    'accepted_range counts rows beyond a bound and passes NULL',
    { kind: 'accepted_range', column: 'kind', min: 2, max: 8, at },
    2,
  ],
  ['accepted_range of dates', { kind: 'accepted_range', column: 'day', max: '2024-01-01', at }, 1],
  [
    'expression_is_true counts rows that say no and passes NULL',
    { kind: 'expression_is_true', expression: 'kind < 9 -- or so', at },
    1,
  ],
  ['expression_is_true of a macro', { kind: 'expression_is_true', expression: "{{ below('id') }}", at }, 2],
  ['accepted_values of booleans', { kind: 'accepted_values', column: 'flag', values: [true], at }, 1],
  ['accepted_values of dates', { kind: 'accepted_values', column: 'day', values: ['2024-01-01', '2024-01-02'], at }, 0],
  ['accepted_values with none accepts only NULL', { kind: 'accepted_values', column: 'flag', values: [], at }, 2],
  [
    'relationships passes NULL and finds what has no parent',
    { kind: 'relationships', column: 'kind', to: 'kinds', field: 'id', at },
    1,
  ],
  ['relationships to a source', { kind: 'relationships', column: 'label', to: 'stations', field: 'code', at }, 2],
  ['relationships to itself', { kind: 'relationships', column: 'id', to: 'demand', field: 'id', at }, 0],
  ['row_count within its bounds', { kind: 'row_count', min: 5, max: 5, at }, 0],
  ['row_count below', { kind: 'row_count', min: 6, at }, 1],
  ['row_count above', { kind: 'row_count', max: 4, at }, 1],
  [
    'sql gives the failing rows',
    { kind: 'sql', name: 'own', sql: 'SELECT *\nFROM {{ this }} WHERE id = 3; -- two', at },
    2,
  ],
  [
    'sql with ref and equal column names',
    {
      kind: 'sql',
      name: 'own',
      sql: "SELECT d.id, k.id FROM {{ this }} d JOIN {{ ref('kinds') }} k ON k.id = d.kind",
      at,
    },
    2,
  ],
  ['not_null where', { kind: 'not_null', columns: ['kind'], where: 'id = 3 -- or so', at }, 1],
  ['unique where', { kind: 'unique', columns: ['id'], where: 'kind IS NULL OR kind < 9', at }, 0],
  [
    'accepted_values where',
    { kind: 'accepted_values', column: 'kind', values: [1], where: "{{ below('id') }}", at },
    1,
  ],
  ['accepted_range where', { kind: 'accepted_range', column: 'kind', min: 2, max: 8, where: 'id = 1', at }, 1],
  [
    'expression_is_true where, which names the table',
    { kind: 'expression_is_true', expression: 'kind < 9 AND EXISTS (SELECT FROM {{ this }} t)', where: 'id < 3', at },
    0,
  ],
  [
    'relationships where',
    {
      kind: 'relationships',
      column: 'kind',
      to: 'kinds',
      field: 'id',
      where: "id IN (SELECT id FROM {{ ref('kinds') }})",
      at,
    },
    0,
  ],
  [
    'relationships to itself where',
    { kind: 'relationships', column: 'id', to: 'demand', field: 'kind', where: 'id = 2', at },
    0,
  ],
  ['row_count where', { kind: 'row_count', min: 3, max: 3, where: 'kind > 0', at }, 0],
])('%s', async (_, data, failures) => {
  expect(await run(data)).toMatchObject({ failures, passed: failures === 0, at });
});

test('gives at most five failing rows', async () => {
  const { failures, sample } = await run({
    kind: 'sql',
    name: 'many',
    sql: 'SELECT i FROM generate_series(1, 900) i',
    at,
  });
  expect(failures).toBe(900);
  expect(sample).toEqual([{ i: 1 }, { i: 2 }, { i: 3 }, { i: 4 }, { i: 5 }]);
});

test.each<[string, DataTest]>([
  ['a column that is not there', { kind: 'not_null', columns: ['nothing'], at }],
  ['a value of another type', { kind: 'accepted_values', column: 'kind', values: ['one'], at }],
  ['a condition that is wrong', { kind: 'not_null', columns: ['id'], where: 'nothing > 1', at }],
  ['a condition that writes', { kind: 'unique', columns: ['id'], where: "nextval('main.s') > 0", at }],
  ['SQL that is wrong', { kind: 'sql', name: 'own', sql: 'SELECT FROM WHERE', at }],
  [
    'SQL that writes',
    { kind: 'sql', name: 'own', sql: "SELECT set_config('x.y', nextval('main.s')::text, false)", at },
  ],
])('names the place of a test with %s', async (_, data) => {
  await test_.database.execute('CREATE SEQUENCE IF NOT EXISTS main.s');
  await expect(run(data)).rejects.toMatchObject({ code: 'ELT_SQL_ERROR', at, terminal: true });
});

test.each(['id = 1); DELETE FROM main.demand; SELECT (1', "id = 1 AND {{ ref('nothing') }}"])('where: %s does not compile', (where) => {
  expect(() => compileTest({ kind: 'not_null', columns: ['id'], where, at }, context)).toThrow(
    expect.objectContaining({ at, message: expect.stringMatching(/^Test not_null of demand: /) as string }),
  );
}); // prettier-ignore

test('a condition is part of the name, and what it reads is read by the test', () => {
  const where = "id IN (SELECT id\n  FROM {{ ref('kinds') }})";
  const [compiled] = compileTest({ kind: 'not_null', columns: ['id'], where, at }, context);
  expect(compiled).toMatchObject({ name: "not_null(id) where id IN (SELECT id FROM {{ ref('kinds') }})", refs: ['kinds'] }); // prettier-ignore
});

test('an error names the first failing test and lists the others', async () => {
  const results = [
    await run({ kind: 'row_count', min: 1, at }),
    await run({ kind: 'unique', columns: ['id'], at }),
    await run({ kind: 'not_null', columns: ['kind'], at }),
  ];
  const error = new DataTestError('main.demand', results);
  expect(error.message).toBe(
    'Test unique(id) of main.demand failed on 1 value, expected 0, e.g. {"id":3,"occurrences":2}; also failed: not_null(kind).',
  );
});

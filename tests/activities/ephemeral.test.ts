import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { lineageGraph, withColumns } from '../../src/elt/lineage/lineage-graph.js';
import { compileUnitTest } from '../../src/elt/unit-tests/compile-unit-test.js';
import { runUnitTest } from '../../src/elt/unit-tests/run-unit-test.js';
import { loadProject } from '../../src/project/load-project.js';
import { createWorkbench, type Workbench } from './workbench.js';

const FILES = {
  'plumbline.yaml': 'name: shop\nsources: { sales: { path: a.csv } }\nvars: { tax: 2 }\n',
  'a.csv': 'id,price,day\n1,10,2025-01-01\n2,20,2025-01-01\n3,-5,2025-01-02\n',
  'sql/cleaned.sql': `-- materialized: ephemeral
-- tests: [{ unique: id }]
WITH cleaned AS (SELECT id, price, day FROM {{ source('sales') }} WHERE price > 0)
SELECT * FROM cleaned; -- all of them
`,
  'sql/taxed.sql': `-- materialized: ephemeral
SELECT id, day, price * {{ var('tax') }} AS total FROM {{ ref('cleaned') }}
`,
  'sql/daily.sql': `-- what a day brings
WITH days AS (
  SELECT day, total FROM {{ ref('taxed') }}
)
SELECT d.day, sum(d.total) AS total, count(*) AS rows
FROM days AS d JOIN {{ ref('cleaned') }} AS c USING (day) GROUP BY d.day;
`,
  'sql/seen.sql': "-- materialized: view\nSELECT * FROM {{ ref('cleaned') }}\n",
  'tests/unit/a.yaml': `unit_tests:
  - name: counts_both
    model: daily
    given:
      - input: source('sales')
        rows: [{ id: 1, price: 3, day: 2025-03-01 }, { id: 2, price: -3, day: 2025-03-01 }]
    expect: { rows: [{ day: 2025-03-01, total: 6 }] }
  - name: drops_refunds
    model: cleaned
    given: [{ input: source('sales'), rows: [{ id: 1, price: -3 }] }]
    expect: { rows: [] }
  - name: wrong_input
    model: daily
    given: [{ input: ref('taxed'), rows: [] }]
    expect: { rows: [] }
`,
};

let bench: Workbench;
let runs = 0;
beforeAll(async () => {
  bench = await createWorkbench(FILES);
});
afterAll(() => bench.destroy());
beforeEach(() => bench.write(FILES));

const project = () => loadProject({ root: bench.root, env: 'dev' });
async function run(): Promise<readonly { transform: string; rows: number }[]> {
  const { run, plan } = await bench.open(`run-${++runs}`, ['elt']);
  try {
    const { transforms } = await bench.elt(run, plan);
    await bench.close(run);
    return transforms;
  } catch (error) {
    await bench.close(run, 'failed');
    throw error;
  }
}
const steps = () =>
  bench.test.database.query(
    `SELECT step, status FROM plumbline.run_steps WHERE run_id = 'run-${runs}' AND step LIKE 'transform:%' ORDER BY step`,
  );

it('makes no table, is part of what reads it, and its change or that of its tests builds that anew', async () => {
  expect(await run()).toMatchObject([
    { transform: 'daily', rows: 1, testsPassed: 1 },
    { transform: 'seen', rows: 2, testsPassed: 1 },
  ]);
  expect(await bench.test.database.query('SELECT total::int, rows::int FROM shop_dev.daily')).toEqual([{ total: 120, rows: 4 }]); // prettier-ignore
  const relations = `SELECT relname AS name FROM pg_class WHERE relnamespace = 'shop_dev'::regnamespace AND relkind IN ('r', 'v') ORDER BY 1`;
  expect(await bench.test.database.query(relations)).toEqual([{ name: 'daily' }, { name: 'seen' }]);
  await run();
  expect(await steps()).toEqual([
    { step: 'transform:daily', status: 'reused' },
    { step: 'transform:seen', status: 'reused' },
  ]);
  await bench.write({ 'sql/taxed.sql': FILES['sql/taxed.sql'].replace('price *', '1 + price *') });
  await run();
  expect(await steps()).toMatchObject([{ status: 'succeeded' }, { status: 'reused' }]);
  await bench.write({ 'sql/cleaned.sql': FILES['sql/cleaned.sql'].replace('unique: id', 'unique: day') });
  await expect(run()).rejects.toThrow(/unique\(day\) of cleaned/);
  // What is published stays.
  expect(await bench.test.database.query('SELECT total::int FROM shop_dev.daily')).toEqual([{ total: 124 }]);
});

it('is looked through by unit tests and by lineage', async () => {
  const { unitTests, ...rest } = await project();
  const outcome = async (name: string) => {
    const test = unitTests.find((one) => one.name === name)!;
    return bench.test.database.session((session) => runUnitTest(session, compileUnitTest(test, { ...rest })));
  };
  expect(await outcome('counts_both')).toMatchObject({ passed: true });
  expect(await outcome('drops_refunds')).toMatchObject({ passed: true });
  await expect(outcome('wrong_input')).rejects.toMatchObject({
    code: 'ELT_UNIT_TEST_INPUT',
    message: expect.stringContaining("ref('taxed') makes no table, as it is ephemeral") as string,
  });
  const whole = { unitTests, ...rest };
  const { nodes } = await bench.test.database.session((session) => withColumns(lineageGraph(whole), whole, session));
  const daily = nodes.find(({ id }) => id === 'transform daily')!;
  expect(daily.from).toEqual(['source sales']);
  expect(daily.columns).toMatchObject([
    { name: 'day', from: [{ node: 'source sales', column: 'day' }] },
    { name: 'total', from: [{ node: 'source sales', column: 'price' }] },
    { name: 'rows' },
  ]);
  expect(daily.rows).toContainEqual({ node: 'source sales', column: 'price' });
});

it('has its tests run before a training set where only feature views read it, and a change of them counts', async () => {
  const rows = Array.from({ length: 40 }, (_row, day) => `${day},${day + 1},${new Date(Date.UTC(2025, 0, 1 + day)).toISOString().slice(0, 10)}`); // prettier-ignore
  await bench.write({
    'plumbline.yaml': `${FILES['plumbline.yaml']}train: { labels: labels.sql, features: [priced], test_from: 2025-01-25 }\n`,
    'a.csv': `id,price,day\n${rows.join('\n')}\n`,
    'labels.sql': `-- entity: id\n-- label_time: day\n-- target: price\n-- horizon: 0d\nSELECT id, day, price FROM {{ source('sales') }}\n`,
    'sql/alone.sql': `-- materialized: ephemeral\n-- tests: [{ unique: id }, { row_count: { max: 39 }, severity: warn }]\nSELECT id, day, id % 7 AS size FROM {{ source('sales') }}\n`,
    'features/priced.sql': `-- entity: id\n-- event_time: day\n-- known_at_assumed: at once\nSELECT id, day, size FROM {{ ref('alone') }}\n`,
  });
  const features = async () => {
    const { run, plan } = await bench.open(`run-${++runs}`);
    try {
      await bench.elt(run, plan);
      const { lines } = await bench.call('explainPlan', { run });
      return { ...(await bench.features(run)), reason: lines.find(({ step }) => step === 'features:main')?.reason };
    } finally {
      await bench.close(run, 'failed');
    }
  };
  expect(await features()).toMatchObject({ warnings: [{ test: 'row_count(0..39) of alone', failures: 1 }] });
  const alone = await readFile(join(bench.root, 'sql/alone.sql'), 'utf8');
  await bench.write({ 'sql/alone.sql': alone.replace('unique: id', 'unique: size') });
  await expect(features()).rejects.toThrow(/unique\(size\) of alone of training set main failed on 7 values/);
  await bench.write({ 'sql/alone.sql': alone.replace('max: 39', 'max: 40') });
  expect(await features()).toMatchObject({ reason: expect.stringContaining('tests of alone') as string });
  await rm(join(bench.root, 'sql/alone.sql'));
  await rm(join(bench.root, 'features/priced.sql'));
}, 60_000);

it('keeps the lines of what reads it, and refuses a circle and a relationship to what is no table', async () => {
  await bench.write({ 'sql/daily.sql': FILES['sql/daily.sql'].replace('sum(d.total)', 'sum(d.totl)') });
  await expect(run()).rejects.toThrow('PostgreSQL refused sql/daily.sql:5:19');
  await bench.write({
    'sql/daily.sql': FILES['sql/daily.sql'],
    'sql/cleaned.sql': `-- materialized: ephemeral\nSELECT * FROM {{ ref('taxed') }}`,
  });
  await expect(run()).rejects.toThrow('circle: cleaned → taxed → cleaned');
  await bench.write({
    'sql/cleaned.sql': FILES['sql/cleaned.sql'],
    'sql/seen.sql': `-- tests: [{ relationships: { column: id, to: cleaned, field: id } }]\n${FILES['sql/seen.sql']}`,
  });
  await expect(project()).rejects.toThrow('relationships to cleaned, which is ephemeral');
});

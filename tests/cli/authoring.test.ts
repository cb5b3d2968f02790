import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { register as lineages } from '../../src/cli/commands/lineage.js';
import { register as planning } from '../../src/cli/commands/plan.js';
import { register as previewing } from '../../src/cli/commands/preview.js';
import { register as running } from '../../src/cli/commands/run.js';
import { register as testing } from '../../src/cli/commands/test.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';
import { printed } from '../support/command.js';

const PROJECT = `name: shop
vars: { tax: 0.2 }
sources: { sales: { path: sales.csv } }
tests:
  daily: [{ unique: day }, { row_count: { max: 1 }, severity: warn }]
  stock: [{ not_null: day }]
`;
const DAILY = `SELECT day, sum(price * (1 + {{ var('tax') }})) AS total, count(*) AS rides, max(note->>'k') AS k
FROM {{ source('sales') }} GROUP BY day
`;
const STOCK = `-- materialized: incremental
-- unique_key: day
WITH daily AS (SELECT day FROM {{ ref('daily') }})
SELECT day, daily.rides::numeric(10, 2) AS units FROM {{ ref('daily') }} JOIN daily AS known USING (day)
{% if is_incremental() %}WHERE day > (SELECT max(day) FROM {{ this }}){% endif %}
`;

const cwd = process.cwd();
let test: TestDatabase;
let root: string;

const write = async (files: Readonly<Record<string, string>>): Promise<void> => {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
};

beforeAll(async () => {
  test = await createTestDatabase();
  root = await mkdtemp(join(tmpdir(), 'plumbline-authoring-'));
  await test.database.execute(
    `CREATE SCHEMA shop_dev; CREATE SCHEMA shop_dev_raw;
     CREATE TABLE shop_dev_raw.sales (day date, price numeric(10,2), note jsonb, _load_id bigint NOT NULL);
     INSERT INTO shop_dev_raw.sales VALUES ('2024-01-01', 10, NULL, 1), ('2024-01-02', 20, NULL, 1);
     CREATE TABLE shop_dev.daily AS
       SELECT day, sum(price) AS total, count(*) AS rides, NULL::text AS k FROM shop_dev_raw.sales GROUP BY day`,
  );
  process.chdir(root);
  vi.stubEnv('PLUMBLINE_DATABASE_URL', test.url);
});
afterAll(async () => {
  process.chdir(cwd);
  vi.unstubAllEnvs();
  await test.drop();
  await rm(root, { recursive: true, force: true });
});
beforeEach(() => (process.exitCode = 0));

describe('plumbline test', () => {
  const run = async (tests: string, ...words: string[]): Promise<string> => {
    await write({
      'plumbline.yaml': PROJECT,
      'sql/daily.sql': DAILY,
      'sql/stock.sql': STOCK,
      'tests/unit/a.yaml': tests,
    });
    return printed(testing, 'test', ...words);
  };

  it('runs a SELECT on given rows, typed as the real tables, and compares the columns that are mentioned', async () => {
    const output = await run(
      `version: 2
unit_tests:
  - name: adds_up
    model: daily
    given:
      - input: source('sales')
        rows:
          - { day: 2024-05-01, price: 10, note: { k: v } }
          - { day: 2024-05-01, price: "0.50" }
          - { day: 2024-05-02 }
    expect:
      rows:
        - { day: 2024-05-02, total: null, rides: 1, k: null }
        - { day: 2024-05-01, total: 12.6, rides: 2, k: v }
  - name: new_days_only
    model: stock
    overrides: { is_incremental: true }
    given:
      - { input: ref("daily"), format: csv, rows: "day,rides\\n2024-01-01,1\\n2024-01-02,2\\n" }
      - { input: this, format: sql, rows: "SELECT DATE '2024-01-01' AS day, 1.0 AS units;" }
    expect: { rows: [{ day: 2024-01-02, units: 2 }] }
  - name: all_days
    model: stock
    given: [{ input: ref('daily'), rows: [{ day: 2024-01-01, rides: 1 }] }]
    expect: { format: csv, rows: "day,units\\n2024-01-01,1.000\\n" }
  - name: other_tax
    model: daily
    overrides: { vars: { tax: 1 } }
    given: [{ input: "source('sales', 'sales')", rows: [{ price: 1 }, {}] }]
    expect: { format: sql, rows: 'SELECT 2.00 AS total, 2 AS rides' }
`,
      '--only',
      'unit',
    );
    expect(output.replace(/in \d.*/, 'in …')).toBe(`shop · dev
unit tests
  ✓ daily: adds_up
  ✓ stock: new_days_only
  ✓ stock: all_days
  ✓ daily: other_tax
4 passed in …
`);
    expect(process.exitCode).toBe(0);
    // Nothing is left, and what was read is as it was.
    expect(await test.database.query("SELECT relname FROM pg_class WHERE relname LIKE '% rows'")).toEqual([]);
    expect(await test.database.query('SELECT count(*)::int AS rows FROM shop_dev.daily')).toEqual([{ rows: 2 }]);
  });

  it('shows rows that differ under each other, what cannot be run with its line, and exits 1', async () => {
    const output = await run(`unit_tests:
  - name: wrong_sum
    model: daily
    given: [{ input: source('sales'), rows: [{ day: 2024-05-01, price: 10 }, { day: 2024-05-03, price: 1 }] }]
    expect:
      rows: [{ day: 2024-05-01, rides: 2 }, { day: 2024-05-03, rides: 1 }, { day: 2024-05-03, rides: 1 }]
  - name: not_given
    model: stock
    expect: { rows: [] }
  - name: not_read
    model: daily
    given: [{ input: source('sales'), rows: [] }, { input: ref('stock'), rows: [] }]
    expect: { rows: [] }
  - name: misspelt
    model: daily
    given: [{ input: source('sales'), rows: [{ prise: 1 }] }]
    expect: { rows: [] }
  - name: mistyped
    model: daily
    given: [{ input: source('sales'), rows: [{ price: much }] }]
    expect: { rows: [] }
  - name: mistyped_csv
    model: daily
    given: [{ input: source('sales'), format: csv, rows: "day,price\\n2024-01-01,much\\n" }]
    expect: { rows: [] }
  - name: unpublished
    model: stock
    overrides: { macros: { is_incremental: true } }
    given: [{ input: ref('daily'), rows: [] }, { input: this, rows: [] }]
    expect: { rows: [] }
`);
    expect(output.replace(/in \d.*/, 'in …')).toBe(`shop · dev
unit tests
  ✗ daily: wrong_sum tests/unit/a.yaml:2
      2 expected rows are missing (-), 1 unexpected (+), 1 as expected
         day         rides
      -  2024-05-01  2
      +  2024-05-01  1
      -  2024-05-03  1
      differs in rides
  ✗ stock: not_given tests/unit/a.yaml:7
      Unit test not_given cannot be run: it gives no rows for ref('daily'). (ELT_UNIT_TEST_INPUT)
      → Add \`- input: ref('daily')\`, with \`rows: []\` if there are none.
  ✗ daily: not_read tests/unit/a.yaml:12
      Unit test not_read cannot be run: it gives rows for ref('stock'), but the SELECT of daily reads source('sales'). (ELT_UNIT_TEST_INPUT)
      → Remove the input or correct its name.
  ✗ daily: misspelt tests/unit/a.yaml:16
      Unit test misspelt cannot be run: the rows of source('sales'): there is no column prise, only day, price, note, _load_id. (ELT_UNIT_TEST_ROWS)
      → Nearest name: price. Correct it, or run what gives the column first.
  ✗ daily: mistyped tests/unit/a.yaml:20
      Unit test mistyped cannot be run: the rows of source('sales'): invalid input syntax for type numeric: "much". (ELT_UNIT_TEST_ROWS)
      → Correct the rows; their columns have the types of the table.
  ✗ daily: mistyped_csv tests/unit/a.yaml:24
      Unit test mistyped_csv cannot be run: the rows of source('sales'): invalid input syntax for type numeric: "much". (ELT_UNIT_TEST_ROWS)
      → Correct the rows; their columns have the types of the table.
  ✗ stock: unpublished tests/unit/a.yaml:29
      Unit test unpublished cannot be run: the columns of this are those of shop_dev.stock, which is not there yet. (ELT_UNIT_TEST_TABLE)
      → Make it with \`plumbline run\`, or give the rows with \`format: sql\`.
data tests
  ✓ daily: unique(day)
  ! daily: row_count(0..1) plumbline.yaml:5
      1 found, expected 0, e.g.
      {"rows":2}
  ✗ stock: not_null(day) plumbline.yaml:6
      Testing stock failed: it is not published yet. (ELT_TABLE_MISSING)
      → Build it with \`plumbline run transform --select stock\`.
1 passed, 1 with a warning, 1 failed, 7 could not be run in …
`);
    expect(process.exitCode).toBe(1);
  });

  it('takes the tests of some models, or a unit test by its name', async () => {
    const tests = `unit_tests:
  - { name: of_daily, model: daily, given: [{ input: source('sales'), rows: [] }], expect: { rows: [] } }
  - { name: of_stock, model: stock, given: [{ input: ref('daily'), rows: [] }], expect: { rows: [] } }
`;
    const names = async (...words: string[]): Promise<string[]> =>
      (JSON.parse(await run(tests, '--json', ...words)) as { tests: { name: string }[] }).tests.map(({ name }) => name);
    expect(await names('--select', 'of_stock')).toEqual(['of_stock']);
    expect(await names('--select', 'daily', '--only', 'data')).toEqual(['unique(day)', 'row_count(0..1)']);
    expect(await names('--select', '+stock', '--only', 'unit')).toEqual(['of_daily', 'of_stock']);
    await expect(run(tests, '--select', 'dayly')).rejects.toMatchObject({ code: 'ELT_SELECT_UNKNOWN' });
    // Before anything is connected to: there is no Temporal here.
    for (const command of ['run transform', 'plan'])
      await expect(printed((program) => (running(program), planning(program)), ...`${command} --select dayly`.split(' '))).rejects.toMatchObject({
        code: 'ELT_SELECT_UNKNOWN',
        next: 'Nearest name: daily.',
      }); // prettier-ignore
    await write({
      'sql/few.sql': `-- materialized: ephemeral\n-- tests: [{ not_null: day }]\nSELECT day FROM {{ ref('daily') }}\n`,
    });
    expect(await names('--select', 'few')).toEqual(['not_null(day) of few']);
    expect(await names('--select', '+few', '--only', 'data')).toEqual(['unique(day)', 'row_count(0..1)', 'not_null(day) of few']); // prettier-ignore
    await rm(join(root, 'sql/few.sql'));
    await expect(run(tests.replace('model: stock', 'model: stok'))).rejects.toMatchObject({
      code: 'PROJECT_REFERENCE_UNKNOWN',
      at: { file: 'tests/unit/a.yaml', line: 3 },
    });
    await expect(run(tests.replace('rows: []', 'rows: text'))).rejects.toMatchObject({
      code: 'PROJECT_VALUE_INVALID',
      at: { file: 'tests/unit/a.yaml', line: 2 },
    });
  });
});

describe('plumbline preview', () => {
  it('gives the first rows of a file as it is now, published or not, and writes nothing', async () => {
    await write({
      'plumbline.yaml': PROJECT,
      'sql/daily.sql': DAILY,
      'sql/stock.sql': STOCK,
      'tests/unit/a.yaml': 'unit_tests: []\n',
      'features/past.sql':
        '-- entity: day\n-- event_time: day\nSELECT day, rides + 1 AS more FROM {{ ref("daily") }} ORDER BY day\n',
      'analyses/any.sql': "SELECT {{ var('tax') }} AS tax;\n",
    });
    const preview = (...words: string[]): Promise<string> => printed(previewing, 'preview', ...words);
    expect(await preview('features/past.sql')).toBe('day         more\n2024-01-01  2\n2024-01-02  2\n');
    expect(await preview('past', '--limit', '1')).toBe(
      'day         more\n2024-01-01  2\n… more than 1 row; see more with --limit\n',
    );
    expect(JSON.parse(await preview('sql/daily.sql', '--json', '--limit', '9'))).toHaveLength(2);
    expect(await preview('analyses/any.sql')).toBe('tax\n0.2\n');
    expect(await preview('stock')).toMatch(/^day +units\n/);
    await expect(preview('stock', '--incremental')).rejects.toMatchObject({
      code: 'ELT_SQL_ERROR',
      at: { file: 'sql/stock.sql', line: 5, column: 35 },
      next: expect.stringContaining('not built yet') as string,
    });

    await write({ 'sql/daily.sql': `-- description: é\nSELECT day,\n  prise FROM {{ source('sales') }}` });
    await expect(preview('daily')).rejects.toMatchObject({
      code: 'ELT_SQL_ERROR',
      message: expect.stringContaining('sql/daily.sql:3:3') as string,
    });
    await write({ 'sql/daily.sql': "WITH gone AS (DELETE FROM {{ source('sales') }} RETURNING *) SELECT * FROM gone" });
    await expect(preview('daily')).rejects.toMatchObject({ code: 'ELT_SQL_ERROR' });
    await expect(preview('dayly')).rejects.toMatchObject({ code: 'PROJECT_FILE_MISSING' });
    expect(await test.database.query('SELECT count(*)::int AS rows FROM shop_dev_raw.sales')).toEqual([{ rows: 2 }]);
  });
});

describe('plumbline lineage', () => {
  const files = {
    'plumbline.yaml': `${PROJECT}train: { labels: labels.sql, features: [past], test_from: 2024-01-02 }\n`,
    // A test that reads another table does not make this one of it.
    'sql/daily.sql': `-- tests: [{ relationships: { column: day, to: far, field: day } }]\n${DAILY}`,
    'sql/far.sql': "SELECT day FROM {{ source('sales') }}\n",
    'sql/stock.sql': STOCK,
    'features/past.sql': '-- entity: day\n-- event_time: day\nSELECT day, rides + 1 AS more FROM {{ ref("daily") }}\n',
    'labels.sql':
      '-- entity: day\n-- label_time: day\n-- target: units\n-- horizon: 1d\nSELECT day, units FROM {{ ref("stock") }}\n',
  };

  it('goes from the files to the model, for tables and for columns', async () => {
    await write(files);
    const lineage = (...words: string[]): Promise<string> => printed(lineages, 'lineage', ...words);
    expect(await lineage()).toBe(`object        sales.csv
source        sales      ← object sales.csv
transform     daily      ← source sales
transform     far        ← source sales
transform     stock      ← transform daily
feature view  past       ← transform daily
labels        labels     ← transform stock
training set  main       ← labels labels, feature view past
model         shop       ← training set main
`);
    expect(await lineage('past', '--columns')).toBe(`object sales.csv
source sales ← object sales.csv
  day
  price
  note
  _load_id
transform daily  sql/daily.sql
  day           ← source sales.day
  total         ← source sales.price
  rides
  k             ← source sales.note
  (which rows)  ← source sales.day
feature view past  features/past.sql
  day   ← transform daily.day
  more  ← transform daily.rides
training set main
  day           ← labels labels.day
  units         ← labels labels.units
  more          ← feature view past.more
  (which rows)  ← feature view past.day
model shop ← training set main
`);
    expect(await lineage('daily.day')).toBe(`transform daily.day
└─ source sales.day
used for transform stock.day, feature view past.day
decides the rows of transform stock
`);
    expect(await lineage('daily', '--mermaid')).toMatch(
      /^flowchart LR\n {2}n0\[\/"sales.csv"\/\]\n {2}n1\[\("source sales"\)\]\n {2}n2\["daily"\]\n[^]* {2}n0 --> n1\n {2}n1 --> n2\n/,
    );
    expect(await lineage('labels', '--mermaid', '--columns')).toContain(
      '  subgraph n4["labels labels"]\n    n4_0["day"]\n    n4_1["units"]\n  end\n',
    );
    const { nodes } = JSON.parse(await lineage('stock', '--json', '--columns')) as { nodes: { id: string }[] };
    expect(nodes.find(({ id }) => id === 'transform stock')).toMatchObject({
      columns: [{ name: 'day' }, { name: 'units', from: [{ node: 'transform daily', column: 'rides' }] }],
    });
    await expect(lineage('daily.days')).rejects.toMatchObject({ code: 'LINEAGE_NOT_FOUND' });
    await expect(lineage('dayly')).rejects.toMatchObject({ code: 'LINEAGE_NOT_FOUND' });
  });
});

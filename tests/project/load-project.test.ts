import { describe, expect, it } from 'vitest';
import { loadProject } from '../../src/project/load-project.js';
import { calendarSql, labelsSql, small, writeProject } from './write-project.js';

const example = new URL('../../examples/bike-demand', import.meta.url).pathname;

function load(yaml: string, files: Readonly<Record<string, string>> = {}, env?: string) {
  return writeProject({ ...small, ...files, 'plumbline.yaml': yaml }).then((root) =>
    loadProject({ root, ...(env === undefined ? {} : { env }) }),
  );
}

describe('how files are read', () => {
  it('takes what is said and leaves out what is not', async () => {
    const project = await load(`name: shop
sources:
  sales:
    path: data/sales.csv
    encoding: latin-1
    csv: { delimiter: "\\t", quote: "'", header: [day, units], null_values: NA, date_format: DD.MM.YYYY, skip_lines: 2 }
`);
    expect(project.resources[0]).toMatchObject({
      encoding: 'latin-1',
      csv: {
        delimiter: '\t',
        quote: "'",
        header: ['day', 'units'],
        nullValues: ['NA'],
        dateFormat: 'DD.MM.YYYY',
        skipLines: 2,
      },
    });
  });
});

describe('a URL', () => {
  it('is one file, of the format that its path ends in', async () => {
    const project = await load(`name: shop
sources:
  sales: { path: 'https://example.org/sales.csv.gz?a[]=*', allow_private: true }
`);
    expect(project.resources[0]).toMatchObject({ format: 'csv', write: 'replace', allowPrivate: true });
  });
});

describe('a member of zip archives', () => {
  it('tells the format, and a glob of them is appended', async () => {
    const project = await load(`name: shop
sources:
  sales: { path: data/sales.zip, member: '*.parquet' }
`);
    expect(project.resources[0]).toMatchObject({ member: '*.parquet', format: 'parquet', write: 'append' });
  });
});

describe('loadProject on the example', () => {
  it('replaces rides whole, with instant as its key', async () => {
    const project = await loadProject({ root: example });
    expect(project.schemas).toEqual({
      raw: 'bike_demand_dev_raw',
      main: 'bike_demand_dev',
      stage: 'bike_demand_dev_stage',
    });
    expect(project.resources).toEqual([
      {
        id: 'rides',
        source: 'rides',
        table: 'rides',
        type: 'files',
        path: 'data/hour.csv',
        format: 'csv',
        write: 'replace',
        primaryKey: ['instant'],
        columns: {},
        maxRejectedShare: 0.01,
        at: { file: 'plumbline.yaml', line: 5 },
      },
    ]);
  });

  it('reads tests, views, labels and the variant', async () => {
    const project = await loadProject({ root: example });
    expect(project.transforms.map(({ name, materialized, tests }) => ({ name, materialized, tests }))).toEqual([
      {
        name: 'demand',
        materialized: 'table',
        tests: [
          { kind: 'not_null', columns: ['hour_at', 'rides'], at: { file: 'plumbline.yaml', line: 9 } },
          { kind: 'unique', columns: ['hour_at'], at: { file: 'plumbline.yaml', line: 10 } },
          { kind: 'row_count', min: 17000, at: { file: 'plumbline.yaml', line: 11 } },
          {
            kind: 'accepted_values',
            column: 'season',
            values: [1, 2, 3, 4],
            at: { file: 'plumbline.yaml', line: 12 },
          },
        ],
      },
    ]);
    expect(project.features.map(({ sql: _sql, ...view }) => view)).toEqual([
      {
        name: 'calendar',
        file: 'features/calendar.sql',
        entity: ['hour_at'],
        eventTime: 'hour_at',
        knownAt: 'known_at',
      },
      {
        name: 'demand_lags',
        file: 'features/demand_lags.sql',
        entity: ['hour_at'],
        eventTime: 'hour_at',
        knownAt: 'known_at',
        assumption: "the count of an hour is known at the hour's own time stamp",
      },
      {
        name: 'weather',
        file: 'features/weather.sql',
        entity: ['hour_at'],
        eventTime: 'hour_at',
        knownAt: 'known_at',
        assumption: 'perfect forecast, the weather of an hour is taken as known 24 hours before it',
      },
    ]);
    expect(project.train).toMatchObject({
      labels: { file: 'labels.sql', labelTime: 'hour_at', target: 'rides', horizonMs: 86_400_000 },
      split: { by: 'time', testFrom: '2012-10-01' },
      variants: [{ name: 'perfect_forecast', features: ['calendar', 'demand_lags', 'weather'] }],
      baselines: [{ type: 'mean' }, { type: 'seasonal_naive', periodMs: 604_800_000 }],
      gates: [
        { metric: 'rmse', betterThan: 'baseline', by: 0.1 },
        { metric: 'rmse', betterThan: 'champion', by: 0 },
      ],
    });
  });
});

describe('loadProject', () => {
  it('prints every default that it applies', async () => {
    const { defaults } = await loadProject({ root: await writeProject(small) });
    expect(defaults).toEqual([
      'sources.sales.type = files',
      'sources.sales.write = replace (the path is one file)',
      'sources.sales.max_rejected = 1%',
      'sources.sales.columns = inferred',
      'sources.sales.anomaly = warn',
      'sources.sales.contract = columns evolve, types evolve',
      "sources.sales.format = csv (from the path's ending)",
      'train.trainer = gradient_boosting',
      'train.baselines = mean (majority when the target is yes or no)',
      'train.gates = better than the baseline, better than the champion',
      'train.seed = 0',
      'deploy.approval = none',
      'deploy.model = shop',
    ]);
  });

  it('reads the long form of a source, its resources taking over what they do not say', async () => {
    const { resources } = await load(`name: shop
sources:
  files:
    type: files
    path: data/*.csv.gz
    max_rejected: 5%
    resources:
      hours: { primary_key: [day, hour], write: merge, columns: { amount: 'numeric(38, 9)' } }
      days: { path: days.parquet, max_rejected: 0 }
      lines: { path: events.jsonl }
`);
    expect(resources.map(({ at: _at, ...resource }) => resource)).toEqual([
      {
        id: 'files.hours',
        source: 'files',
        table: 'files_hours',
        type: 'files',
        path: 'data/*.csv.gz',
        format: 'csv',
        write: 'merge',
        primaryKey: ['day', 'hour'],
        columns: { amount: 'numeric(38,9)' },
        maxRejectedShare: 0.05,
      },
      {
        id: 'files.days',
        source: 'files',
        table: 'files_days',
        type: 'files',
        path: 'days.parquet',
        format: 'parquet',
        write: 'replace',
        primaryKey: [],
        columns: {},
        maxRejectedShare: 0,
      },
      expect.objectContaining({ id: 'files.lines', format: 'ndjson', maxRejectedShare: 0.05 }),
    ]);
  });

  it('appends what a glob names, and leaves the format of an unknown ending to the data', async () => {
    const { resources } = await load('name: shop\nsources: { log: { path: "data/**/*.dat" } }\n');
    expect(resources[0]).toMatchObject({ write: 'append', format: 'auto' });
  });

  it('turns the names of parameters, metrics and durations into those of the stages', async () => {
    const { train, deploy } = await load(`name: shop
train:
  labels: ./labels.sql
  features: [calendar]
  split: { by: time, test_from: 2025-10-01T12:00:00Z }
  trainer: { type: gradient_boosting, max_leaves: 63, learning_rate: 0.05 }
  baselines: [majority, { seasonal_naive: 2w }]
  gates: [{ metric: roc_auc, better_than: champion, by: 0.5 % }]
  seed: 7
deploy: { approval: manual, approval_timeout: 36h, model: shop-sales }
`);
    expect(train).toMatchObject({
      labels: { name: 'labels', file: 'labels.sql' },
      split: { by: 'time', testFrom: '2025-10-01T12:00:00Z' },
      trainer: { type: 'gradient_boosting', parameters: { maxLeaves: 63, learningRate: 0.05 } },
      baselines: [{ type: 'majority' }, { type: 'seasonal_naive', periodMs: 1_209_600_000 }],
      gates: [{ metric: 'rocAuc', betterThan: 'champion', by: 0.005 }],
      seed: 7,
    });
    expect(deploy).toEqual({ model: 'shop-sales', approval: 'manual', approvalTimeoutMs: 129_600_000 });
  });

  it('joins the tests of an SQL header with those of plumbline.yaml', async () => {
    const { transforms } = await load(
      'name: shop\ntests: { orders: [ { sql: "SELECT 1 WHERE false" } ] }\nsources: { crm: { resources: { shops: { path: s.csv } } }, days: { path: d.csv } }\n',
      {
        'sql/orders.sql': `-- Orders by day.
-- materialized: view
-- tests:
--   - not_null: day
--   - relationships: { column: shop, to: shops, field: id }
--   - relationships: { column: shop, to: crm.shops, field: id }
--   - relationships: { column: day, to: days, field: day }
-- description: orders: one row a day
SELECT 1 AS day
`,
        'sql/shops.sql': 'SELECT 1 AS id\n',
      },
    );
    expect(transforms[0]).toMatchObject({
      materialized: 'view',
      tests: [
        { kind: 'not_null', columns: ['day'], at: { file: 'sql/orders.sql', line: 4 } },
        { kind: 'relationships', column: 'shop', to: 'shops', field: 'id', at: { file: 'sql/orders.sql', line: 5 } },
        { kind: 'relationships', column: 'shop', to: 'crm.shops', field: 'id' },
        { kind: 'relationships', column: 'day', to: 'days', field: 'day' },
        { kind: 'sql', name: 'sql_1', sql: 'SELECT 1 WHERE false', at: { file: 'plumbline.yaml', line: 2 } },
      ],
    });
  });

  it('keeps an SQL file as it is, header lines included', async () => {
    const project = await loadProject({ root: await writeProject(small) });
    expect(project.train?.labels.sql).toBe(labelsSql);
    expect(project.features[0]?.sql).toBe(calendarSql);
  });

  it('ends a header at the first line that is no comment', async () => {
    const { features } = await load('name: shop\n', {
      'features/calendar.sql': `
-- Days. Prose without a key stays prose.
-- entity: day, shop
-- event_time: day
-- ttl: 90d

-- Entity: not a setting any more
SELECT 1
`,
    });
    expect(features[0]).toMatchObject({ entity: ['day', 'shop'], ttlMs: 7_776_000_000 });
  });

  it('reads the columns that a view vouches for, each with its reason', async () => {
    const { features } = await load('name: shop\n', {
      'features/calendar.sql': `-- entity: day
-- event_time: day
-- leak_accepted:
--   amount: fixed when the order comes in
--   "Net Amount": as amount
SELECT 1
`,
    });
    expect(features[0]?.leakAccepted).toEqual({
      amount: 'fixed when the order comes in',
      'Net Amount': 'as amount',
    });
  });

  it('reads Windows line ends and a byte order mark', async () => {
    const root = await writeProject(
      Object.fromEntries(Object.entries(small).map(([path, text]) => [path, `\uFEFF${text.replaceAll('\n', '\r\n')}`])),
    );
    expect((await loadProject({ root })).train?.labels.horizonMs).toBe(86_400_000);
  });

  it('unfolds anchors', async () => {
    const { train } = await load(`name: shop
train:
  labels: labels.sql
  features: &own [calendar]
  test_from: 2025-10-01
  variants: { same: { features: *own } }
`);
    expect(train?.variants).toEqual([{ name: 'same', features: ['calendar'] }]);
  });
});

describe('environments', () => {
  const yaml = `name: shop
sources: { sales: { path: data/sales.csv, primary_key: day } }
deploy: { approval: none, model: sales }
environments:
  prod:
    sources: { sales: { path: /srv/sales.csv } }
    deploy: { approval: manual }
  test: {}
`;

  it('lays the chosen one over the file, key by key', async () => {
    const prod = await load(yaml, {}, 'prod');
    expect(prod).toMatchObject({
      env: 'prod',
      schemas: { raw: 'shop_prod_raw', main: 'shop_prod', stage: 'shop_prod_stage' },
      deploy: { approval: 'manual', model: 'sales' },
    });
    expect(prod.resources[0]).toMatchObject({ path: '/srv/sales.csv', primaryKey: ['day'] });
    const dev = await load(yaml);
    expect(dev.deploy.approval).toBe('none');
  });

  it('refuses a database of an environment, which a worker could not keep apart yet', async () => {
    const own = yaml.replace('  prod:\n', '  prod:\n    database: env:PROD_DATABASE_URL\n');
    await expect(load(own, {}, 'prod')).rejects.toMatchObject({
      code: 'PROJECT_KEY_LATER',
      at: { file: 'plumbline.yaml' },
    });
    expect((await load(own)).env).toBe('dev');
  });

  it('replaces lists whole', async () => {
    const { resources } = await load(
      'name: shop\nsources: { a: { path: a.csv, primary_key: [x, y] } }\nenvironments: { prod: { sources: { a: { primary_key: [z] } } } }\n',
      {},
      'prod',
    );
    expect(resources[0]?.primaryKey).toEqual(['z']);
  });

  it('names the line of the overlay when that is what is wrong, also when another is chosen', async () => {
    await expect(load(yaml.replace('approval: manual', 'aproval: manual'))).rejects.toMatchObject({
      code: 'PROJECT_KEY_UNKNOWN',
      message: expect.stringContaining('did you mean "approval"?') as string,
      at: { file: 'plumbline.yaml', line: 7, column: 15 },
    });
  });

  it('refuses one that is not declared, naming the nearest', async () => {
    await expect(load(yaml, {}, 'prd')).rejects.toMatchObject({
      code: 'PROJECT_REFERENCE_UNKNOWN',
      message: expect.stringContaining('did you mean "prod"?') as string,
    });
  });

  it('refuses names whose schemas would be those of another', async () => {
    for (const name of ['raw', 'stage', 'a_b', 'a-b']) {
      await expect(load(`name: shop\nenvironments: { ${name}: {} }\n`), name).rejects.toMatchObject({
        code: expect.stringMatching(/PROJECT_(NAME_TAKEN|VALUE_INVALID)/) as string,
      });
    }
  });

  it('refuses schema names that PostgreSQL would cut off', async () => {
    await expect(
      load(`name: ${'a'.repeat(40)}\nenvironments: { ${'b'.repeat(20)}: {} }\n`, {}, 'b'.repeat(20)),
    ).rejects.toMatchObject({
      code: 'PROJECT_NAME_TOO_LONG',
      message: expect.stringContaining('has 67 characters') as string,
    });
  });
});

describe('vars and macros', () => {
  const yaml = `${small['plumbline.yaml']}vars: { tax: 0.2, shops: [a, b] }\nenvironments: { prod: { vars: { tax: 0.25 } } }\n`;

  it('are read, and an environment lays its own vars over the rest', async () => {
    const macros = { 'macros/money.sql': '{% macro m() %}1{% endmacro %}' };
    const project = await load(yaml, macros);
    expect(project.vars).toEqual({ tax: 0.2, shops: ['a', 'b'] });
    expect(project.macros).toEqual([{ file: 'macros/money.sql', sql: macros['macros/money.sql'] }]);
    expect((await load(yaml, {}, 'prod')).vars).toEqual({ tax: 0.25, shops: ['a', 'b'] });
    expect(await load(small['plumbline.yaml'])).toMatchObject({ vars: {}, macros: [] });
  });

  it('with a value that is no text, number, true, false or list are refused at its line', async () => {
    await expect(load(`${small['plumbline.yaml']}vars:\n  tax: { rate: 1 }\n`)).rejects.toMatchObject({
      code: 'PROJECT_VALUE_INVALID',
      at: { file: 'plumbline.yaml', line: 9 },
    });
  });
});

describe('an incremental table', () => {
  const sql = (header: string): Readonly<Record<string, string>> => ({
    'sql/kept.sql': `-- materialized: incremental\n${header}SELECT 1 AS id`,
  });
  const kept = async (header: string) => (await load(small['plumbline.yaml'], sql(header))).transforms[0]!.incremental;

  it('is merged by its key, or replaced by its interval', async () => {
    expect(await kept('-- unique_key: id\n')).toEqual({
      strategy: 'merge',
      uniqueKey: ['id'],
      onSchemaChange: 'fail',
    });
    expect(await kept('-- interval_column: day\n-- on_schema_change: append_new_columns\n')).toEqual({
      strategy: 'delete+insert',
      uniqueKey: [],
      intervalColumn: 'day',
      onSchemaChange: 'append_new_columns',
    });
  });

  it.each([
    ['', 1, 'needs unique_key or interval_column'],
    ['-- interval_column: day\n-- strategy: merge\n', 3, 'strategy merge needs unique_key'],
    ['-- interval_column: day\n-- unique_key: id\n', 2, 'exclude each other'],
    ['-- unique_key: id\n-- strategy: upsert\n', 3, 'expected merge, delete+insert'],
  ])('with the header %j is refused at line %i', async (header, line, message) => {
    await expect(kept(header)).rejects.toMatchObject({
      at: { file: 'sql/kept.sql', line },
      message: expect.stringContaining(message) as string,
    });
  });

  it('has settings that no other table may have', async () => {
    const file = { 'sql/kept.sql': '-- unique_key: id\nSELECT 1 AS id' };
    await expect(load(small['plumbline.yaml'], file)).rejects.toMatchObject({ at: { file: 'sql/kept.sql', line: 1 } });
  });
});

describe('a snapshot', () => {
  const kept = async (header: string, folder = 'snapshots') =>
    (await load(small['plumbline.yaml'], { [`${folder}/kept.sql`]: `${header}SELECT 1 AS id` })).transforms[0]!;

  it("is what a file of snapshots/ is, or one that says so, with dbt's settings", async () => {
    const plain = { uniqueKey: ['id'], checkColumns: 'all', closesDeleted: false, allowEmpty: false };
    expect(await kept('-- unique_key: id\n-- updated_at: at\n')).toMatchObject({
      materialized: 'snapshot',
      snapshot: { ...plain, updatedAt: 'at' },
    });
    const header = '-- materialized: snapshot\n-- unique_key: [id, shop]\n-- strategy: check\n-- check_cols: [a, b]\n';
    const { snapshot } = await kept(`${header}-- invalidate_hard_deletes: true\n-- allow_empty: true\n`, 'sql');
    expect(snapshot).toEqual({
      uniqueKey: ['id', 'shop'],
      checkColumns: ['a', 'b'],
      closesDeleted: true,
      allowEmpty: true,
    });
    expect(await kept('-- unique_key: id\n-- updated_at: at\n-- hard_deletes: new_record\n')).toMatchObject({
      snapshot: { ...plain, updatedAt: 'at', closesDeleted: true, recordsDeleted: true },
    });
  });

  it.each([
    ['-- updated_at: at\n', 1, 'needs unique_key'],
    ['-- unique_key: id\n', 1, 'needs updated_at or check_cols'],
    ['-- unique_key: id\n-- strategy: timestamp\n', 2, 'needs updated_at'],
    ['-- unique_key: id\n-- strategy: merge\n', 2, 'is for incremental tables'],
    ['-- unique_key: id\n-- updated_at: at\n-- check_cols: all\n', 3, 'exclude each other'],
    ['-- materialized: table\n-- updated_at: at\n', 2, 'is for snapshots'],
    ['-- materialized: incremental\n-- unique_key: id\n-- strategy: check\n', 3, 'is for snapshots'],
  ])('with the header %j is refused at line %i', async (header, line, message) => {
    await expect(kept(header)).rejects.toMatchObject({
      at: { file: 'snapshots/kept.sql', line },
      message: expect.stringContaining(message) as string,
    });
  });
});

it('freshness is of each resource, what it does not say of its source', async () => {
  const yaml = `name: shop
sources:
  a:
    path: a.csv
    freshness: { warn_after: 12h }
    resources: { x: {}, y: { freshness: { error_after: { count: 2, period: day }, loaded_at: at } } }
  b: { type: http, url: 'https://example.org', path: /b, freshness: { error_after: 1h } }
`;
  expect((await load(yaml, {})).freshness).toEqual([
    {
      resource: 'a.x',
      table: 'a_x',
      loadedAt: '_loaded_at',
      warnAfterMs: 43_200_000,
      at: { file: 'plumbline.yaml', line: 5 },
    },
    {
      resource: 'a.y',
      table: 'a_y',
      loadedAt: 'at',
      errorAfterMs: 172_800_000,
      at: { file: 'plumbline.yaml', line: 6 },
    },
    {
      resource: 'b',
      table: 'b',
      loadedAt: '_loaded_at',
      errorAfterMs: 3_600_000,
      at: { file: 'plumbline.yaml', line: 7 },
    },
  ]);
  await expect(load(yaml.replace('warn_after: 12h', 'loaded_at: at'), {})).rejects.toMatchObject({
    message: expect.stringContaining('expected warn_after, error_after or both') as string,
  });
});

describe('seeds', () => {
  const files = { 'seeds/shops.csv': 'code,name\n1,Harbour\n' };

  it('are resources that are replaced whole, with the settings of plumbline.yaml', async () => {
    const yaml = `${small['plumbline.yaml']}seeds: { shops: { columns: { code: text } } }\n`;
    expect((await load(yaml, files)).resources.at(-1)).toMatchObject({
      id: 'seeds.shops',
      table: 'shops',
      path: 'seeds/shops.csv',
      write: 'replace',
      columns: { code: 'text' },
      isSeed: true,
    });
  });

  it.each([
    [
      'settings of a file that is not there',
      'seeds: { shop: {} }\n',
      {},
      'PROJECT_REFERENCE_UNKNOWN',
      'seeds/shop.csv',
    ],
    ['the name of a transform', '', { 'sql/shops.sql': 'SELECT 1' }, 'PROJECT_NAME_TAKEN', "ref('shops')"],
    ['the table of a source', '', { 'seeds/sales.csv': 'a\n1\n' }, 'PROJECT_NAME_TAKEN', 'the table sales'],
  ])('are refused with %s', async (_, yaml, more, code, message) => {
    await expect(load(small['plumbline.yaml'] + yaml, { ...files, ...more })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
  });
});

it('files in folders of sql/, seeds/, macros/ and tests/unit/ are of the project; what begins with a dot is not', async () => {
  const project = await load(`name: shop
schedule: { timezone: Europe/Berlin }
`, {
    'sql/marts/daily/visits.sql': "SELECT {{ one() }} AS x, '{{ interval.start }}'::timestamptz AS at\n",
    'sql/.draft/never.sql': 'SELEC\n',
    'seeds/geo/shops.csv': 'id\n1\n',
    'macros/shared/one.sql': '{% macro one() %}1{% endmacro %}\n',
    'tests/unit/daily/visits.yaml': `unit_tests:
  - name: of_a_day
    model: visits
    overrides: { interval: 2024-01-01/2024-01-02 }
    expect: { rows: [{ x: 1 }] }
`,
  }); // prettier-ignore
  expect(project.transforms.map(({ file }) => file)).toContain('sql/marts/daily/visits.sql');
  expect(project.resources.map(({ path }) => path)).toContain('seeds/geo/shops.csv');
  expect(project.macros).toMatchObject([{ file: 'macros/shared/one.sql' }]);
  expect(project.unitTests).toMatchObject([
    { at: { file: 'tests/unit/daily/visits.yaml', line: 2 }, interval: { start: '2024-01-01T00:00:00+01:00', timezone: 'Europe/Berlin' } },
  ]); // prettier-ignore
});

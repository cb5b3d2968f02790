import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TerminalError } from '../../src/errors.js';
import { at, FORTY_DAYS, labelsOf, openFixture, valuesOf, viewOf, type BuildOptions, type Fixture } from './fixture.js';

let fixture: Fixture;
beforeAll(async () => void (fixture = await openFixture()));
afterAll(() => fixture.drop());

const labels = labelsOf(FORTY_DAYS);
const daily = (
  columns: string,
) => `SELECT 'a' AS entity, timestamp '2024-01-01' + day * interval '1 day' AS event_time, ${columns}
FROM generate_series(1, 80) AS day`;

async function failure(options: BuildOptions): Promise<TerminalError> {
  const error: unknown = await fixture.build(options).catch((caught: unknown) => caught);
  if (!(error instanceof TerminalError)) throw error instanceof Error ? error : new Error('expected a failure');
  return error;
}

describe('buildTrainingSet', () => {
  it('writes entity, label time, features, target and split, sorted by time, as Parquet', async () => {
    const view = viewOf(
      'weather',
      daily(`day AS temperature, day % 2 = 0 AS dry, CASE day % 3 WHEN 0 THEN '' WHEN 1 THEN 'NULL, "x"' END AS note`),
    );
    const set = await fixture.build({ labels, views: [view] });
    const { columns } = await fixture.table(set);
    expect([...columns].map(([name, { kind }]) => [name, kind])).toEqual([
      ['entity', 'text'],
      ['label_time', 'time'],
      ['temperature', 'number'],
      ['dry', 'number'],
      ['note', 'text'],
      ['target', 'number'],
      ['_split', 'text'],
    ]);
    const rows = await fixture.rows(set);
    expect(rows.slice(0, 3)).toEqual([
      {
        entity: 'a',
        label_time: at('2024-02-01'),
        temperature: 31,
        dry: 0,
        note: 'NULL, "x"',
        target: 1,
        _split: 'train',
      },
      { entity: 'a', label_time: at('2024-02-02'), temperature: 32, dry: 1, note: null, target: 2, _split: 'train' },
      { entity: 'a', label_time: at('2024-02-03'), temperature: 33, dry: 0, note: '', target: 3, _split: 'train' },
    ]);
    expect(rows.at(-1)).toMatchObject({ label_time: at('2024-03-11'), target: 40, _split: 'test' });
    expect(set).toMatchObject({
      rows: 40,
      trainRows: 29,
      testRows: 11,
      unlabelledRows: 0,
      task: 'regression',
      features: [
        { name: 'temperature', view: 'weather', kind: 'number', nullShare: 0 },
        { name: 'dry', view: 'weather', kind: 'number', nullShare: 0 },
        { name: 'note', view: 'weather', kind: 'text', nullShare: 13 / 40 },
      ],
      assumptions: ['weather: known = event time (assumed)'],
      inputs: {},
    });
  });

  it('gives the same SHA-256 for the same data, and leaves nothing in the database', async () => {
    const view = viewOf('weather', daily('day AS temperature, day::text AS code'));
    const first = await fixture.build({ labels, views: [view] });
    const second = await fixture.build({ labels, views: [view] });
    expect(second).toEqual(first);
    expect(
      await fixture.database.query(`SELECT relname FROM pg_class WHERE relname LIKE 'plumbline_%' AND relkind = 'r'`),
    ).toEqual([]);
  });

  it('keeps the hash when a fact is corrected after every cut-off, and changes it when before', async () => {
    await fixture.database
      .execute(`CREATE TABLE facts AS SELECT 'a' AS entity, timestamp '2024-01-01' + day * interval '1 day' AS event_time,
      timestamp '2024-01-01' + day * interval '1 day' AS known_at, day AS value FROM generate_series(1, 80) AS day`);
    const view = viewOf('facts', 'SELECT * FROM facts', { knownAt: 'known_at' });
    const hash = async () =>
      (await fixture.build({ labels: { ...labels, horizonMs: 86_400_000 }, views: [view] })).artifact.sha256;
    const before = await hash();
    await fixture.database.execute(
      `INSERT INTO facts VALUES ('a', '2024-02-10', '2024-03-10 00:00:01', 999), ('a', '2024-04-01', '2024-01-01', 999)`,
    );
    expect(await hash()).toBe(before);
    await fixture.database.execute(`INSERT INTO facts VALUES ('a', '2024-03-10', '2024-03-10', 999)`);
    expect(await hash()).not.toBe(before);
  });

  it('resolves ties of entity and times by the greatest features, whatever the order of the rows', async () => {
    const rows = [
      ['a', '2024-01-01', 1, 'x'],
      ['a', '2024-01-01', 2, 'b'],
      ['a', '2024-01-01', 2, 'a'],
      ['a', '2024-01-01', null, 'z'],
    ];
    const hashes = new Set<string>();
    for (const order of [rows, rows.toReversed()]) {
      const view = viewOf(
        'ties',
        `SELECT * FROM ${valuesOf({ entity: 'text', event_time: 'timestamp', value: 'int', code: 'text' }, order)}`,
      );
      const set = await fixture.build({ labels, views: [view] });
      hashes.add(set.artifact.sha256);
      expect((await fixture.rows(set))[0]).toMatchObject({ value: 2, code: 'b' });
    }
    expect(hashes.size).toBe(1);
  });

  it('joins views by the part of the entity they have, in the order of `features`', async () => {
    const shops = labelsOf(
      `SELECT shop, item, timestamp '2024-01-31' + day * interval '1 day' AS label_time, day + item AS target
         FROM generate_series(1, 40) AS day, generate_series(1, 2) AS item, (VALUES ('n'), ('s')) AS s(shop)`,
      { entity: ['shop', 'item'] },
    );
    const views = [
      viewOf(
        'prices',
        `SELECT item::numeric AS item, date '2024-01-01' AS event_time, item * 10 AS price FROM generate_series(1, 2) AS item`,
        { entity: ['item'] },
      ),
      viewOf(
        'shops',
        `SELECT shop, timestamptz '2024-01-01 00:00+00' AS event_time, size::float8 FROM (VALUES ('n', 5), ('s', 7)) AS s(shop, size)`,
        { entity: ['shop'] },
      ),
      viewOf(
        'days',
        `SELECT timestamp '2024-01-31' + day * interval '1 day' AS event_time, day FROM generate_series(1, 40) AS day`,
        { entity: [] },
      ),
    ];
    const set = await fixture.build({ labels: shops, views, features: ['days', 'shops', 'prices'] });
    expect(set.features.map(({ name }) => name)).toEqual(['day', 'size', 'price']);
    expect((await fixture.rows(set)).slice(4, 8)).toMatchObject([
      { shop: 'n', item: 1, day: 2, size: 5, price: 10 },
      { shop: 'n', item: 2, day: 2, size: 5, price: 20 },
      { shop: 's', item: 1, day: 2, size: 7, price: 10 },
      { shop: 's', item: 2, day: 2, size: 7, price: 20 },
    ]);
  });

  it('has one column when the entity is the label time', async () => {
    const hours = labelsOf(FORTY_DAYS, { entity: ['label_time'] });
    const view = viewOf(
      'calendar',
      `SELECT timestamp '2024-01-31' + day * interval '1 day' AS label_time, day % 7 AS weekday FROM generate_series(1, 40) AS day`,
      {
        entity: ['label_time'],
        eventTime: 'label_time',
      },
    );
    const set = await fixture.build({ labels: hours, views: [view] });
    expect([...(await fixture.table(set)).columns.keys()]).toEqual(['label_time', 'weekday', 'target', '_split']);
    expect((await fixture.rows(set))[8]).toMatchObject({ label_time: at('2024-02-09'), weekday: 2, target: 9 });
  });

  it('leaves out rows without a target and counts them', async () => {
    const sparse = labelsOf(
      `SELECT entity, label_time, CASE WHEN target IN (3, 35) THEN NULL WHEN target = 4 THEN 'NaN' ELSE target::float8 END AS target FROM (${FORTY_DAYS}) AS d`,
    );
    const set = await fixture.build({ labels: sparse, views: [viewOf('weather', daily('day'))] });
    expect(set).toMatchObject({ rows: 37, trainRows: 27, testRows: 10, unlabelledRows: 3 });
  });

  it.each([
    ['a boolean', 'target % 3 = 0', 'binary'],
    ['0 and 1', 'target % 2', 'binary'],
    ['0, 1 and 2', 'target % 3', 'regression'],
    ['a fraction', 'target / 7.0', 'regression'],
  ])('takes %s as the task %s', async (_what, expression, task) => {
    const set = await fixture.build({
      labels: labelsOf(`SELECT entity, label_time, ${expression} AS target FROM (${FORTY_DAYS}) AS d`),
      views: [viewOf('weather', daily('day'))],
    });
    expect(set.task).toBe(task);
  });

  it('accepts a closing semicolon and comments around it', async () => {
    const view = viewOf('weather', `${daily('day')}; -- done;\n-- really`);
    await expect(fixture.build({ labels: labelsOf(`${FORTY_DAYS} -- all`), views: [view] })).resolves.toMatchObject({
      rows: 40,
    });
  });

  it('takes hostile column names as they are', async () => {
    const names = ['__proto__', 'x"; drop table y;--', "it's", 'ü, ö', 'constructor'];
    const view = viewOf(
      'hostile',
      daily(names.map((name, index) => `day + ${index} AS "${name.replaceAll('"', '""')}"`).join(', ')),
    );
    const set = await fixture.build({ labels, views: [view] });
    expect(set.features.map(({ name }) => name)).toEqual(names);
    const { columns } = await fixture.table(set);
    expect(names.map((name) => columns.get(name)?.values[0])).toEqual([31, 32, 33, 34, 35]);
  });

  it('keeps every text as it is', async () => {
    const texts = [
      '\\N',
      '',
      ' ',
      'NULL',
      'NaN',
      '"',
      '""',
      ',',
      'a\nb',
      'a\r\nb',
      '\t',
      '\\',
      "'",
      '#',
      '😀',
      'x\uFEFF',
      '\u2028',
      'x'.repeat(1_000),
    ];
    // Through parameters: in an SQL file \r\n becomes \n.
    await fixture.database.execute('CREATE TABLE texts (day int, text text)');
    for (const [index, text] of texts.entries())
      await fixture.database.execute('INSERT INTO texts VALUES ($1, $2)', [index + 1, text]);
    const view = viewOf(
      'texts',
      `SELECT timestamp '2024-01-31' + day * interval '1 day' AS event_time, text FROM texts`,
      {
        entity: [],
        ttlMs: 0,
      },
    );
    const written = await fixture.rows(await fixture.build({ labels, views: [view] }));
    expect(written.map(({ text }) => text)).toEqual(
      Array.from({ length: 40 }, (_value, index) => texts[index] ?? null),
    );
  });

  it('keeps every number to the last bit, and NaN is missing', async () => {
    const numbers = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, 2 ** 53 + 2, 1 / 3, 'NaN', 1e-7];
    const rows = Array.from({ length: 40 }, (_value, index) => [index + 1, numbers[index] ?? null]);
    const view = viewOf(
      'numbers',
      `SELECT timestamp '2024-01-31' + day * interval '1 day' AS event_time, x FROM ${valuesOf({ day: 'int', x: 'float8' }, rows)}`,
      { entity: [] },
    );
    const written = await fixture.rows(await fixture.build({ labels, views: [view] }));
    expect(written.map(({ x }) => x).slice(0, 7)).toEqual(numbers.map((x) => (x === 'NaN' ? null : x)));
  });

  it('leaves out the bookkeeping columns of a load and says so', async () => {
    const set = await fixture.build({
      labels,
      views: [viewOf('raw', daily(`day, 'l1' AS _load_id, day AS _row_number`))],
    });
    expect(set.features.map(({ name }) => name)).toEqual(['day']);
    expect(set.assumptions).toContain('raw: _load_id, _row_number left out (bookkeeping of the load)');
  });

  it('records the versions of what it read', async () => {
    await fixture.database.execute(`CREATE TABLE IF NOT EXISTS forty AS ${FORTY_DAYS}`);
    const set = await fixture.build({
      labels: labelsOf(`SELECT * FROM {{ ref('forty') }}`),
      views: [viewOf('weather', `${daily('day')} WHERE EXISTS (SELECT FROM {{ source('rides') }})`)],
      refs: new Map([['forty', '"public"."forty"']]),
      sources: new Map([['rides', '"public"."forty"']]),
      versions: new Map([['forty', 'fingerprint-1']]),
    });
    expect(set.inputs).toEqual({ forty: 'fingerprint-1', rides: 'unknown' });
  });

  it('reads everything from one snapshot', async () => {
    await fixture.database.execute(`CREATE TABLE moving AS ${daily('0 AS value')}`);
    let write: Promise<unknown> | undefined;
    const set = await fixture.build({
      labels,
      views: [
        viewOf('one', 'SELECT entity, event_time, value AS a FROM moving'),
        viewOf('pause', daily('day AS nap FROM pg_sleep(0.5),').replace('\nFROM', '')),
        viewOf('two', 'SELECT entity, event_time, value AS b FROM moving'),
      ],
      onProgress: ({ name }) => {
        if (name === 'one') write = fixture.database.execute('UPDATE moving SET value = 1');
      },
    });
    expect(await write).toBe(80);
    expect((await fixture.rows(set)).filter(({ a, b }) => a !== 0 || b !== 0)).toEqual([]);
  });

  it('stops within a statement when the signal aborts, and the connection is free again', async () => {
    const controller = new AbortController();
    const slow = viewOf('slow', daily('day, pg_sleep(20)::text AS nap'));
    const running = fixture.build({ labels, views: [slow], signal: controller.signal });
    setTimeout(() => controller.abort(new Error('cancelled by the user')), 300);
    await expect(running).rejects.toThrow('cancelled by the user');
    const active = await fixture.database.query(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()`,
    );
    expect(active).toEqual([]);
  });
});

describe('buildTrainingSet refuses', () => {
  const weather = viewOf('weather', daily('day AS temperature'));

  it.each<[string, string, Partial<BuildOptions>, RegExp]>([
    [
      'a syntax error at the line of the file',
      'FEATURES_SQL',
      {
        views: [
          viewOf('weather', `-- entity: entity\n-- event_time: event_time\n\nSELECT entity,\n  é, SELECT\nFROM x`),
        ],
      },
      /operator is not unique|syntax error/,
    ],
    [
      'two statements',
      'FEATURES_SQL',
      { views: [viewOf('weather', `${daily('day')}); CREATE TABLE intruder (a int); SELECT (1`)] },
      /features\/weather\.sql/,
    ],
    [
      'an unknown table',
      'FEATURES_SQL',
      { labels: labelsOf('SELECT * FROM nowhere') },
      /labels\.sql failed: relation "nowhere" does not exist/,
    ],
    [
      'a division by zero',
      'FEATURES_SQL',
      { views: [viewOf('weather', daily('1 / (day - day) AS ratio'))] },
      /division by zero/,
    ],
    [
      'an event time that is not selected',
      'FEATURES_COLUMN_MISSING',
      { views: [viewOf('weather', `SELECT 'a' AS entity, 1 AS x`)] },
      /the header says `event_time: event_time`, but the SELECT gives entity, x/,
    ],
    [
      'an entity that is not selected',
      'FEATURES_COLUMN_MISSING',
      { views: [viewOf('weather', daily('day'), { entity: ['customer'] })] },
      /`entity: customer`/,
    ],
    [
      'an accepted column that is not selected',
      'FEATURES_COLUMN_MISSING',
      { views: [viewOf('weather', daily('1 AS x'), { leakAccepted: { rain: 'measured before' } })] },
      /the header says `leak_accepted: rain`, but the SELECT gives .*x/,
    ],
    [
      'a missing target',
      'FEATURES_COLUMN_MISSING',
      { labels: labelsOf(FORTY_DAYS, { target: 'rides' }) },
      /`target: rides`/,
    ],
    [
      'a text target',
      'FEATURES_COLUMN_TYPE',
      { labels: labelsOf(`SELECT entity, label_time, target::text FROM (${FORTY_DAYS}) AS d`) },
      /column target of labels\.sql as target failed: its type is text/,
    ],
    [
      'a label time that is a number',
      'FEATURES_COLUMN_TYPE',
      { labels: labelsOf(`SELECT entity, 1 AS label_time, target FROM (${FORTY_DAYS}) AS d`) },
      /as label_time failed: its type is integer/,
    ],
    [
      'a date as a feature',
      'FEATURES_COLUMN_TYPE',
      { views: [viewOf('weather', daily(`date '2024-01-01' AS opened`))] },
      /column opened of features\/weather\.sql as a feature failed: its type is date/,
    ],
    [
      'json as a feature',
      'FEATURES_COLUMN_TYPE',
      { views: [viewOf('weather', daily(`'{}'::jsonb AS extra`))] },
      /column extra .* its type is jsonb/,
    ],
    [
      'a view without features',
      'FEATURES_NO_COLUMNS',
      { views: [viewOf('weather', `SELECT 'a' AS entity, now() AS event_time`)] },
      /no feature besides/,
    ],
    [
      'an entity the labels do not have',
      'FEATURES_ENTITY_MISMATCH',
      { views: [viewOf('weather', `SELECT 'a' AS city, now() AS event_time, 1 AS x`, { entity: ['city'] })] },
      /its entity city is not among the entity columns of labels\.sql: entity/,
    ],
    [
      'an entity of another type',
      'FEATURES_ENTITY_MISMATCH',
      { views: [viewOf('weather', `SELECT 7 AS entity, now() AS event_time, 1 AS x`)] },
      /its entity entity is integer, in labels\.sql it is text/,
    ],
    [
      'a feature name in two views',
      'FEATURES_DUPLICATE_COLUMN',
      { views: [weather, viewOf('air', daily('day AS "Temperature"'))] },
      /Temperature of feature view air is already the name of a column of feature view weather/,
    ],
    [
      'the target among the features',
      'FEATURES_DUPLICATE_COLUMN',
      { views: [viewOf('weather', daily('day AS target'))] },
      /target of feature view weather .* of the target/,
    ],
    [
      'a view that does not exist',
      'FEATURES_UNKNOWN_VIEW',
      { views: [weather], features: ['wether'] },
      /there is no feature view wether, expected one of weather/,
    ],
    ['a view named twice', 'FEATURES_UNKNOWN_VIEW', { views: [weather], features: ['weather', 'weather'] }, /twice/],
    ['no view at all', 'FEATURES_UNKNOWN_VIEW', { features: [] }, /empty/],
    [
      'a target that is NULL everywhere',
      'FEATURES_TARGET',
      { labels: labelsOf(`SELECT entity, label_time, NULL::int AS target FROM (${FORTY_DAYS}) AS d`) },
      /it is NULL in all 40 rows/,
    ],
    [
      'a constant target',
      'FEATURES_TARGET',
      { labels: labelsOf(`SELECT entity, label_time, 3 AS target FROM (${FORTY_DAYS}) AS d`) },
      /it is 3 in all 29 training rows/,
    ],
    [
      'an infinite target',
      'FEATURES_VALUE',
      {
        labels: labelsOf(
          `SELECT entity, label_time, CASE target WHEN 5 THEN 'Infinity' ELSE target::float8 END AS target FROM (${FORTY_DAYS}) AS d`,
        ),
      },
      /infinite in 1 row/,
    ],
    [
      'an infinite feature',
      'FEATURES_VALUE',
      { views: [viewOf('weather', daily(`CASE day WHEN 40 THEN '-Infinity' ELSE day::float8 END AS ratio`))] },
      /feature ratio .* infinite in 1 of 40 rows/,
    ],
    [
      'a label without entity',
      'FEATURES_VALUE',
      { labels: labelsOf(`SELECT nullif(entity, 'a') AS entity, label_time, target FROM (${FORTY_DAYS}) AS d`) },
      /entity is missing or infinite in 40 rows/,
    ],
    [
      'duplicate labels',
      'FEATURES_DUPLICATE_LABELS',
      { labels: labelsOf(`${FORTY_DAYS} UNION ALL SELECT 'a', '2024-02-03', 7`) },
      /2 rows have entity = a, label_time = 2024-02-03 00:00:00\+00/,
    ],
    [
      'nineteen training rows',
      'FEATURES_TOO_FEW_ROWS',
      { testFrom: '2024-02-20' },
      /19 rows have a label time before test_from 2024-02-20, expected at least 20/,
    ],
    ['no test rows', 'FEATURES_TOO_FEW_ROWS', { testFrom: '2025-01-01' }, /0 rows have a label time at or after/],
    ['no rows', 'FEATURES_TOO_FEW_ROWS', { labels: labelsOf(`${FORTY_DAYS} LIMIT 0`) }, /0 rows/],
    [
      'a test_from that is no date',
      'FEATURES_TEST_FROM',
      { testFrom: '2024-13-45' },
      /"2024-13-45" is not a date or timestamp/,
    ],
    ['a test_from that moves', 'FEATURES_TEST_FROM', { testFrom: 'yesterday' }, /"yesterday"/],
    [
      'a view that matches no label',
      'FEATURES_NO_MATCH',
      { views: [viewOf('weather', `SELECT 'b' AS entity, timestamp '2024-01-01' AS event_time, 1 AS x`)] },
      /no label row finds a row with the same entity/,
    ],
  ])('%s', async (_what, code, options, message) => {
    const error = await failure({ labels, views: [weather], ...options });
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
    expect(error.next).toBeDefined();
    expect(await fixture.database.query(`SELECT to_regclass('intruder') AS found`)).toEqual([{ found: null }]);
  });

  it('names file, line and column of a mistake in the SELECT', async () => {
    const sql = `-- entity: entity\n-- event_time: event_time\nSELECT 'a' AS entity, '😀é' AS smile,\n  now() AS event_time, temprature\nFROM (SELECT 1 AS temperature) AS t`;
    expect((await failure({ labels, views: [viewOf('weather', sql)] })).at).toEqual({
      file: 'features/weather.sql',
      line: 4,
      column: 24,
    });
  });

  it('names the line of a column that cannot be a feature', async () => {
    const sql = `-- entity: entity\nSELECT 'a' AS entity, now() AS event_time,\n  1 AS x,\n  now()::date AS opened`;
    expect((await failure({ labels, views: [viewOf('weather', sql)] })).at).toEqual({
      file: 'features/weather.sql',
      line: 4,
    });
  });
});

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LoadSummary } from '../../src/contracts/elt.js';
import { createWorkbench, type Workbench } from './workbench.js';

const TAP = readFileSync(new URL('../fixtures/singer/tap.mjs', import.meta.url), 'utf8');
const schema = {
  type: 'object',
  properties: {
    id: { type: 'integer' },
    price: { type: ['null', 'number'] },
    at: { type: ['null', 'string'], format: 'date-time' },
  },
};
const rowsTo = (last: number): string[] =>
  Array.from({ length: last }, (_, index) => `{"id":${index + 1},"price":1.50}`);

interface Behaviour {
  readonly rows?: readonly string[];
  readonly schema?: object;
  readonly fail?: 'discover' | 'before' | 'exit' | 'kill' | 'half' | 'text' | 'batch';
  readonly version?: number;
  readonly last?: number;
  readonly inclusive?: boolean;
  readonly stateless?: boolean;
  readonly keys?: readonly string[];
  /** Of BATCH messages; with a name it is somebody else's. */
  readonly files?: readonly { readonly text?: string; readonly plain?: true; readonly name?: string; readonly parquet?: string; readonly encoding?: object }[]; // prettier-ignore
}

let bench: Workbench;
beforeAll(async () => {
  process.env['TEST_TAP_TOKEN'] = 's3cret-token';
  bench = await createWorkbench({ 'taps/orders.mjs': TAP });
});
afterAll(() => bench.destroy());

let source = '';
let runs = 0;
let discovers = false;
let sendsFiles = false;
let count = 0;
beforeEach(async () => {
  source = `shop${++count}`;
  // One process less where the catalog does not matter.
  discovers = false;
  sendsFiles = false;
  await bench.write({ 'taps/asked.ndjson': '' });
});

const yaml = (more: string, command = '[node, taps/orders.mjs]'): string =>
  `name: shop\nsources:\n  ${source}:\n    type: singer\n    command: ${command}\n    config: { token: env:TEST_TAP_TOKEN, nested: [{ page: 5 }]${sendsFiles ? ', batch_config: { batch_size: 2, storage: { root: "file:///elsewhere", prefix: b } }' : ''} }\n    discover: ${discovers}\n    resources:\n      orders: ${more}\n`;

async function begin(
  behaviour: Behaviour,
  more: string,
  command?: string,
  force = false,
): ReturnType<Workbench['open']> {
  await bench.write({
    'plumbline.yaml': yaml(more, command),
    'taps/behaviour.json': JSON.stringify({ schema, rows: [], ...behaviour }),
  });
  return bench.open(`run-${++runs}`, ['elt'], { force });
}

async function load(behaviour: Behaviour, more = '{}', command?: string, force = false): Promise<LoadSummary> {
  const { run, plan } = await begin(behaviour, more, command, force);
  try {
    return (await bench.elt(run, plan)).loads[0]!;
  } finally {
    await bench.close(run);
  }
}

const failure = async (behaviour: Behaviour, more?: string, command?: string): Promise<unknown> =>
  load(behaviour, more, command).then(
    () => undefined,
    (error: unknown) => error,
  );

interface Asked {
  readonly config: object;
  readonly state?: object;
  readonly selected?: readonly unknown[];
  readonly argv: readonly string[];
  readonly modes: readonly string[];
  readonly variables: readonly string[];
}
const asked = (): Asked[] =>
  readFileSync(join(bench.root, 'taps/asked.ndjson'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Asked);

const rows = async (columns = 'id'): Promise<unknown[]> =>
  (await bench.test.database.query(`SELECT ${columns} FROM shop_dev_raw.${source}_orders ORDER BY id`)).map((row) => {
    const values = Object.values(row);
    return values.length === 1 ? Number(values[0]) : values;
  });
const state = async (): Promise<string | undefined> =>
  (await bench.test.database.query<{ value: string }>(`SELECT value FROM plumbline.cursors WHERE resource = $1`, [`${source}.orders`]))[0]?.value; // prettier-ignore

// Several processes a test: on a busy machine they take their time.
describe('a Singer tap', { timeout: 120_000 }, () => {
  it('is asked for one stream, with its state, and secrets in private files only', async () => {
    discovers = true;
    const first = await load({ rows: rowsTo(3), last: 3 }, '{ metadata: { replication-method: INCREMENTAL } }');
    expect(first).toMatchObject({ rowsRead: 3, rowsLoaded: 3, tableRows: 3 });
    await load({ rows: rowsTo(5), last: 5 }, '{ metadata: { replication-method: INCREMENTAL } }');
    expect(await rows()).toEqual([1, 2, 3, 4, 5]);
    const [one, two] = asked();
    expect(one).toMatchObject({ config: { token: 's3cret-token', nested: [{ page: 5 }] }, modes: ['600', '600'] });
    expect(one!.state).toBeUndefined();
    expect(two).toMatchObject({ state: { bookmarks: { orders: { id: 3 } } }, modes: ['600', '600', '600'] });
    const metadata = [
      { breadcrumb: [], metadata: { 'replication-method': 'INCREMENTAL', selected: true } },
      { breadcrumb: ['properties', 'id'], metadata: { inclusion: 'automatic', selected: true } },
      { breadcrumb: ['properties', 'price'], metadata: { inclusion: 'available', selected: true } },
    ];
    expect(one!.selected).toEqual([['orders', metadata]]);
    expect(JSON.stringify(two!.argv)).not.toContain('s3cret');
    expect(two!.variables).not.toContain('TEST_TAP_TOKEN');
    for (const path of two!.argv.filter((word) => word.endsWith('.json'))) expect(existsSync(path), path).toBe(false);
    const [kept] = await bench.test.database.query(
      `SELECT (SELECT json_agg(s) FROM plumbline.run_steps s)::text || (SELECT json_agg(e) FROM plumbline.extracts e)::text AS text`,
    );
    expect(kept!['text']).not.toContain('s3cret');
  });

  it('keeps every digit, and quarantines what its schema does not allow', async () => {
    const loaded = await load(
      {
        rows: [
          '{"id":9007199254740993,"price":0.1234567890123456789,"at":"2024-05-01T12:00:00"}',
          '{"id":2,"price":1e3,"at":"2024-05-01T12:00:00+02:00","other":1}',
          '{"id":3,"price":"free","at":null}',
          '{"id":4,"price":null,"at":"yesterday"}',
        ],
        stateless: true,
      },
      '{ max_rejected: 60% }',
    );
    expect(loaded).toMatchObject({ rowsRead: 4, rowsLoaded: 2, rowsRejected: 2, rowsDuplicate: 0 });
    expect(loaded.notices).toEqual([
      '"other" of 1 records is not in the stream\'s schema and was left out of the table.',
    ]);
    expect(await rows(`id::text, price::text, (at AT TIME ZONE 'UTC')::text`)).toEqual([
      ['2', '1000', '2024-05-01 10:00:00'],
      ['9007199254740993', '0.1234567890123456789', '2024-05-01 12:00:00'],
    ]);
    const rejects = await bench.test.database.query(
      `SELECT r.line::int, r.column_name AS "column", r.value, r.reason FROM plumbline.rejects r JOIN plumbline.loads l USING (load_id) WHERE l.resource = $1 ORDER BY 1`,
      [`${source}.orders`],
    );
    expect(rejects).toEqual([
      { line: 4, column: 'price', value: '"free"', reason: 'expected number by the schema, got string' },
      { line: 5, column: 'at', value: 'yesterday', reason: expect.stringContaining('timestamptz') as string },
    ]);
  });

  it('goes on behind the last STATE after it was killed, and loses and doubles nothing', async () => {
    // In the middle of a message.
    const { run, plan } = await begin({ rows: rowsTo(9), last: 9, fail: 'half' }, '{ write: append }');
    const resource = `${source}.orders`;
    const killed = bench.call('extractResource', { run, resource });
    await expect(killed).rejects.toMatchObject({ nonRetryable: false, details: [{ code: 'ELT_SINGER_ENDED' }] });
    expect(await state()).toBeUndefined();
    await bench.write({ 'taps/behaviour.json': JSON.stringify({ schema, rows: rowsTo(9), last: 9 }) });
    const { loads } = await bench.elt(run, plan);
    await bench.close(run);
    expect(loads).toMatchObject([{ rowsRead: 9, rowsLoaded: 9, tableRows: 9 }]);
    expect(asked().map((one) => one.state)).toEqual([undefined, { bookmarks: { orders: { id: 4 } } }]);
    expect(await rows()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('that fails on its way is tried again, and one that comes no further ends the run', async () => {
    const { run } = await begin({ rows: rowsTo(9), fail: 'exit' }, '{}');
    const attempt = async (): Promise<unknown> =>
      bench.call('extractResource', { run, resource: `${source}.orders` }).catch((error: unknown) => error);
    expect(await attempt()).toMatchObject({ nonRetryable: false });
    await bench.write({ 'taps/behaviour.json': JSON.stringify({ schema, rows: [], fail: 'before' }) });
    expect(await attempt()).toMatchObject({ nonRetryable: false });
    const ended = await attempt();
    await bench.close(run);
    expect(ended).toMatchObject({ nonRetryable: true, details: [{ code: 'ELT_SINGER_FAILED' }] });
    expect((ended as Error).message).toMatch(
      /while running node: it ended with code 3 and said nothing. It was tried 3 times/,
    );
    expect(asked().at(-1)!.state).toEqual({ bookmarks: { orders: { id: 4 } } });
  });

  it('keeps a STATE that comes last, or without rows, and none that comes with rows that are not loaded', async () => {
    const first = await load({ rows: rowsTo(2), last: 7 });
    expect(await state()).toBe('{"bookmarks":{"orders":{"id":7}}}');
    const second = await load({ rows: rowsTo(2), last: 8 });
    expect(second).toEqual(first);
    expect(await state()).toBe('{"bookmarks":{"orders":{"id":8}}}');
    expect(await failure({ rows: ['{"id":9,"price":"x"}'], last: 9 })).toMatchObject({ details: [{ code: 'ELT_TOO_MANY_REJECTS' }] }); // prettier-ignore
    expect(await state()).toBe('{"bookmarks":{"orders":{"id":8}}}');
  });

  it('does not load anew when the rows that tie with its state come again', async () => {
    const first = await load({ rows: rowsTo(3), last: 3, inclusive: true });
    const tie = await load({ rows: rowsTo(3), last: 3, inclusive: true });
    expect(tie.version).not.toBe(first.version);
    expect(await load({ rows: rowsTo(3), last: 3, inclusive: true })).toEqual(tie);
  });

  it('asks anew with --force, for this resource only, and puts rows that have no key in place of the former', async () => {
    const append = '{ write: append }';
    await load({ rows: rowsTo(3), last: 3 }, append);
    await load({ rows: rowsTo(5), last: 5 }, append);
    const others = await bench.test.database.query(`SELECT resource, value FROM plumbline.cursors WHERE resource <> $1 ORDER BY 1`, [`${source}.orders`]); // prettier-ignore
    expect(await load({ rows: rowsTo(4), last: 4 }, append, undefined, true)).toMatchObject({ tableRows: 4 });
    expect(await state()).toBe('{"bookmarks":{"orders":{"id":4}}}');
    expect(await bench.test.database.query(`SELECT resource, value FROM plumbline.cursors WHERE resource <> $1 ORDER BY 1`, [`${source}.orders`])).toEqual(others); // prettier-ignore
  });

  it('widens the table when its schema says so, and makes an empty one before there are rows', async () => {
    expect(await load({})).toMatchObject({ tableRows: 0 });
    const integers = { ...schema.properties, price: { type: 'integer' } };
    source = `wide${count}`;
    await load({ rows: ['{"id":1,"price":2}'], last: 1, schema: { properties: integers } });
    await load({
      rows: ['{"id":2,"price":2.5,"b":[1]}'],
      last: 2,
      schema: { properties: { ...schema.properties, b: {} } },
    });
    expect(await rows('id::int, price::text, b')).toEqual([[1, '2', null], [2, '2.5', [1]]]); // prettier-ignore
  });

  it('takes away the rows of older versions when it activates one', async () => {
    await load({ rows: rowsTo(3), version: 1, stateless: true });
    const loaded = await load({ rows: rowsTo(2), version: 2, stateless: true });
    expect(loaded).toMatchObject({ tableRows: 2, notices: ['1 row of older versions of the table was removed.'] });
    expect(await rows('id::int, _sdc_table_version::int')).toEqual([[1, 2], [2, 2]]); // prettier-ignore
    // A table that is empty now sends no row, and still says so; so does one that the tap may not read.
    expect(await failure({ version: 3, stateless: true })).toMatchObject({ details: [{ code: 'ELT_SOURCE_EMPTY' }] });
    expect(await rows('id::int, _sdc_table_version::int')).toEqual([[1, 2], [2, 2]]); // prettier-ignore
    expect(await load({ version: 3, stateless: true }, '{ allow_empty: true }')).toMatchObject({ tableRows: 0 });
    expect(await load({ version: 4, stateless: true })).toMatchObject({ tableRows: 0 });
  });

  it('may have a key that its column cannot be called', async () => {
    const name = 'k'.repeat(70);
    const keyed = { properties: { id: { type: 'integer' }, [name]: { type: 'integer' }, xmin: { type: 'string' } } };
    const of = (...values: string[]): Behaviour => ({
      rows: values.map((value, index) => `{"id":1,"${name}":${index},"xmin":"${value}"}`),
      schema: keyed,
      keys: [name, 'xmin'],
      stateless: true,
    });
    await load(of('a', 'b'));
    expect(await load(of('a', 'c'))).toMatchObject({ tableRows: 3 });
  });

  it('follows contract, merge and anomaly, and keeps the states of its rows over versions', async () => {
    const states = async (): Promise<unknown[]> =>
      (await bench.test.database.query(`SELECT concat_ws(' ', id, price, _sdc_table_version, CASE WHEN _valid_to IS NULL THEN 'now' ELSE 'ended' END) AS s FROM shop_dev_raw.${source}_orders ORDER BY 1`)).map((row) => row['s']); // prettier-ignore
    const priced = (...prices: number[]): string[] =>
      prices.map((price, index) => `{"id":${index + 1},"price":${price}}`);
    await load({ rows: priced(1, 1, 1), version: 1, stateless: true }, '{ merge: scd2 }');
    const second = await load({ rows: priced(1, 2), version: 2, stateless: true }, '{ merge: scd2 }');
    expect(second.notices).toEqual(['1 row of older versions of the table was closed.']);
    // Row 1 came again as it was: it is of the new version, and in the same state.
    expect(await states()).toEqual(['1 1 2 now', '2 1 1 ended', '2 2 2 now', '3 1 1 ended']);
    const wider = { properties: { ...schema.properties, tip: { type: ['null', 'integer'] } } };
    const guarded = '{ write: merge, contract: { columns: freeze }, anomaly: { mode: fail, min_history: 3 } }';
    source = `guarded${count}`;
    await load({ rows: rowsTo(2), last: 2 }, guarded);
    expect(await failure({ rows: ['{"id":3,"tip":1}'], schema: wider, last: 3 }, guarded)).toMatchObject({
      details: [{ code: 'ELT_CONTRACT', message: expect.stringContaining('column "tip"') as string }],
    });
    const ids = (from: number, to: number): string[] => rowsTo(to).slice(from - 1);
    for (const to of [22, 42, 62]) await load({ rows: ids(to - 19, to), last: to }, guarded);
    expect(await failure({ rows: ids(63, 64), last: 64 }, guarded)).toMatchObject({
      details: [
        { code: 'ELT_ANOMALY', message: expect.stringContaining('2 rows, expected 3 to 37 (median 20') as string },
      ],
    });
  });

  it('says what is wrong', async () => {
    discovers = true;
    const cases: readonly [Behaviour, string | undefined, string | undefined, string, RegExp][] = [
      [{ rows: rowsTo(6), fail: 'text' }, undefined, undefined, 'ELT_SINGER_MESSAGE', /in line 9 of what node writes: it is not JSON. The line: "INFO token \*\*\*"/],
      [{ rows: rowsTo(6), fail: 'batch' }, undefined, undefined, 'ELT_SINGER_MESSAGE', /BATCH with "encoding" \{\}, expected the format jsonl, packed with gzip or not, or parquet/],
      [{}, '{ select: [price, ta_* ] }', undefined, 'ELT_SINGER_SELECT', /no property matches "ta_\*"; it has id, price, at/],
      [{}, '{ select: ["!id"] }', undefined, 'ELT_SINGER_SELECT', /"id" cannot be left out/],
      [{ fail: 'discover' }, undefined, undefined, 'ELT_SINGER_FAILED', /asking for the catalog of node: it ended with code 1. It said: CRITICAL wrong token \*\*\*/],
      [{}, '{ stream: order }', undefined, 'ELT_SINGER_STREAM', /the catalog has orders, users; expected one "order"/],
      [{}, undefined, '[tap-that-is-not-there]', 'ELT_CHILD_START', /Starting tap-that-is-not-there failed: there is no such program/],
      [{}, undefined, '[echo, hello]', 'ELT_SINGER_CATALOG', /what echo says with --discover is none/],
      [{ schema: { properties: { price: {} } } }, undefined, undefined, 'ELT_SINGER_SCHEMA', /the key property "id" is not in the schema/],
    ]; // prettier-ignore
    for (const [index, [behaviour, more, command, code, message]] of cases.entries()) {
      source = `wrong${index}`;
      const error = await failure(behaviour, more, command);
      expect(error, code).toMatchObject({
        nonRetryable: code !== 'ELT_SINGER_FAILED',
        details: [{ code, next: expect.any(String) as string }],
      });
      expect((error as Error).message).toMatch(message);
      expect((error as Error).message).not.toContain('s3cret');
    }
  });

  it.each([true, false])(
    'is asked for chosen properties, and gives no others whatever it sends (catalog: %s)',
    async (catalog) => {
      discovers = catalog;
      source = `chosen_${catalog}`;
      const sent = ['{"id":1,"price":1.50,"at":"2024-01-01T00:00:00Z","more":1}'];
      const [required, strict] = [['id', 'at'], { ...schema, required: ['id', 'at'] }];
      await load({ rows: sent, schema: strict }, '{ select: [pri*] }');
      expect(await rows('id::int, price::text')).toEqual([[1, '1.50']]);
      const columns = await bench.test.database.query(`SELECT column_name AS name FROM information_schema.columns WHERE table_name = $1 AND column_name = ANY ($2)`, [`${source}_orders`, ['more', ...required]]); // prettier-ignore
      expect(columns).toEqual([{ name: 'id' }]);
      const metadata = [
        [{ breadcrumb: [], metadata: { selected: true } }],
        [{ breadcrumb: ['properties', 'id'], metadata: { inclusion: 'automatic', selected: true } }],
        [{ breadcrumb: ['properties', 'price'], metadata: { inclusion: 'available', selected: true } }],
        [{ breadcrumb: ['properties', 'at'], metadata: { selected: false } }],
      ].flat();
      expect(asked().at(-1)?.selected).toEqual(catalog ? [['orders', metadata]] : undefined);
      // A misspelt exclusion would let something in.
      expect(await failure({ rows: sent }, '{ select: ["!pric"] }')).toMatchObject({ details: [{ code: 'ELT_SINGER_SELECT' }] }); // prettier-ignore
    },
  );

  it('may send files of records, from the folder that it is given and nowhere else', async () => {
    sendsFiles = true;
    const lines = (...ids: number[]): string =>
      ids.map((id) => `{"id":${id},"price":0.10000000000000000001}\n`).join('');
    const loaded = await load({ files: [{ text: lines(1, 2) }, { text: `${lines(3)}\n{"id":4}`, plain: true }] });
    expect(loaded).toMatchObject({ rowsRead: 4, rowsLoaded: 4 });
    expect(await rows('id::int, price::text')).toEqual([
      [1, '0.10000000000000000001'],
      [2, '0.10000000000000000001'],
      [3, '0.10000000000000000001'],
      [4, null],
    ]);
    expect(await state()).toBe('{"bookmarks":{"orders":{"id":1}}}');
    const { batch_config: batches } = asked()[0]!.config as { batch_config: { storage: { root: string } } };
    expect(batches).toMatchObject({ batch_size: 2, storage: { prefix: 'b' }, encoding: { format: 'jsonl', compression: 'gzip' } }); // prettier-ignore
    expect(existsSync(batches.storage.root.slice('file://'.length))).toBe(false);
    const wrong: readonly [NonNullable<Behaviour['files']>[number], RegExp][] = [
      [{ name: join(bench.root, 'plumbline.yaml') }, /it names ".*plumbline.yaml", expected a file below the folder/],
      [{ text: `${lines(5)}[6]\n` }, /line 2 of orders-0.jsonl.gz is no JSON object/],
      [{ text: lines(5), plain: true, encoding: { format: 'jsonl', compression: 'gzip' } }, /orders-0.jsonl.gz cannot be unpacked: incorrect header check/],
    ]; // prettier-ignore
    for (const [file, message] of wrong) {
      const error = await failure({ files: [file] });
      expect(error).toMatchObject({ nonRetryable: true, details: [{ code: 'ELT_SINGER_BATCH' }] });
      expect((error as Error).message).toMatch(message);
    }
    sendsFiles = false;
    await bench.write({ 'taps/rows.jsonl': lines(7) });
    expect(await failure({ files: [{ name: join(bench.root, 'taps/rows.jsonl') }] })).toMatchObject({ message: expect.stringContaining('its config has no batch_config') as string }); // prettier-ignore
  });

  it('may send files of records as Parquet, every digit of which arrives', async () => {
    sendsFiles = true;
    const instance = await DuckDBInstance.create();
    const connection = await instance.connect();
    const written = async (name: string, select: string): Promise<string> => {
      const path = join(bench.root, name);
      await connection.run(`COPY (${select}) TO '${path}' (FORMAT parquet, COMPRESSION gzip)`);
      return path;
    };
    const price = '12345678901234567890123456789.000000001';
    const some = await written('some.parquet', `SELECT * FROM (VALUES (1::BIGINT, ${price}::DECIMAL(38,9), TIMESTAMP '2024-01-01 00:00:00.000001', 'Zoë "x"'), (2, NULL, NULL, NULL)) AS v (id, price, "at", more)`); // prettier-ignore
    const none = await written('none.parquet', `SELECT 1 AS id WHERE false`);
    const odd = await written('odd.parquet', `SELECT 3 AS id, 'NaN'::DOUBLE AS price`);
    connection.closeSync();
    instance.closeSync();
    const encoding = { format: 'parquet', compression: 'gzip' };
    const files = [some, none, odd].map((parquet) => ({ parquet, encoding }));
    expect(await load({ files }, '{ max_rejected: 50% }')).toMatchObject({ rowsRead: 3, rowsLoaded: 2, rowsRejected: 1 }); // prettier-ignore
    expect(await rows(`id::int, price::text, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS at`)).toEqual([[1, price, '2024-01-01 00:00:00.000001'], [2, null, null]]); // prettier-ignore
    const error = await failure({ files: [{ text: 'PAR1', plain: true, encoding }] });
    expect(error).toMatchObject({ message: expect.stringContaining('Reading orders-0.jsonl.gz as Parquet failed') as string, details: [{ code: 'ELT_SINGER_BATCH' }] }); // prettier-ignore
  });

  it('is planned without being run', async () => {
    await load({ rows: rowsTo(3), last: 3 });
    await bench.write({ 'taps/asked.ndjson': '' });
    const { run } = await begin({}, '{}');
    const { lines, defaults } = await bench.call('explainPlan', { run });
    await bench.close(run);
    expect(lines[0]).toMatchObject({
      action: 'run',
      reason: 'runs node taps/orders.mjs for orders from its state {"bookmarks":{"orders":{"id":3}}}',
    });
    expect(defaults).toContain(
      `sources.${source}.resources.orders.write = merge (where the stream has a key, else append)`,
    );
    expect(asked()).toEqual([]);
  });
});

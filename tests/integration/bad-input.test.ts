import { execFileSync } from 'node:child_process';
import { chmod, cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BIKE_DEMAND, createStack, waitFor } from '../support/stack.js';
import { expectRefusal, openShop, type Change, type Refusal, type Shop } from './shop.js';
import { isRoot } from '../support/is-root.js';

/** What a user sees of bad input, through the real command line, worker, PostgreSQL, Temporal and serving. */
let shop: Shop;
let sales: string[];
let url: string;
let models: unknown;
const ROW = { weekday: 1, month: 1, price: 4, units_last_week: 50 };

beforeAll(async () => {
  shop = await openShop();
  await shop.json(['up']);
  await shop.json(['run']);
  sales = (await shop.file('data/sales.csv')).trimEnd().split('\n');
  url = `http://127.0.0.1:${(await shop.state()).ports.serving}`;
  models = await shop.json(['models', 'list']);
}, 120_000);
afterAll(() => shop?.destroy(), 60_000);

type Case = readonly [
  title: string,
  changes: () => Readonly<Record<string, Change>> | Promise<Readonly<Record<string, Change>>>,
  args: readonly string[],
  refusal: Refusal,
];

const replaced = async (path: string, from: string | RegExp, to: string) => {
  const text = await shop.file(path);
  expect(text).toMatch(from);
  return { [path]: text.replace(from, to) };
};
const csv = (lines: readonly string[]) => ({ 'data/sales.csv': `${lines.join('\n')}\n` });
const removed = (path: string) => rm(path);

/** One case: the command is refused as said, and every table, version and pointer is what it was. */
async function refuses([, changes, args, refusal]: Case): Promise<void> {
  const before = await shop.content();
  expectRefusal(await shop.with(await changes(), args), refusal);
  expect(await shop.content()).toEqual(before);
}

describe('a project file', () => {
  const cases: readonly Case[] = [
    [
      'plumbline.yaml that is not there',
      () => ({ 'plumbline.yaml': removed }),
      ['run'],
      {
        code: 'PROJECT_NOT_FOUND',
        says: 'there is no plumbline.yaml in ',
        at: 'plumbline.yaml',
        next: 'plumbline init',
      },
    ],
    [
      'plumbline.yaml that is not YAML',
      () => replaced('plumbline.yaml', 'row_count: { min: 300 }', 'row_count: { min: 300'),
      ['run'],
      {
        code: 'PROJECT_YAML_SYNTAX',
        says: 'as YAML failed: Flow map',
        at: 'plumbline.yaml:11:1',
        next: 'Correct the line',
      },
    ],
    [
      'a misspelt key, with the nearest one',
      () => replaced('plumbline.yaml', 'features:', 'feature:'),
      ['run'],
      {
        code: 'PROJECT_KEY_UNKNOWN',
        says: 'train has no key "feature"; did you mean "features"?',
        at: 'plumbline.yaml:13:3',
        next: 'Rename it to features',
      },
    ],
    [
      'a key that nothing is like, with those there are',
      () => replaced('plumbline.yaml', 'name: shop\n', 'name: shop\nkubernetes: true\n'),
      ['run'],
      {
        code: 'PROJECT_KEY_UNKNOWN',
        says: 'no key "kubernetes"',
        at: 'plumbline.yaml:2:1',
        next: 'sources, seeds, tests',
      },
    ],
    [
      'a feature view that has no file',
      () => replaced('plumbline.yaml', 'last_week', 'last_weak'),
      ['run'],
      {
        code: 'PROJECT_REFERENCE_UNKNOWN',
        says: 'no feature view features/last_weak.sql; did you mean "last_week"?',
        at: 'plumbline.yaml:13:24',
        next: 'last_week',
      },
    ],
  ];
  it.each(cases)('refuses %s', async (...one) => refuses(one));
});

describe('a source file', () => {
  const load = (
    path: string,
    change: Change,
    refusal: Omit<Refusal, 'step' | 'next'> & { next: string },
    step: string,
  ) => [() => ({ [path]: change }), ['run', 'load'], { ...refusal, step }] as const;
  const extract = (change: Change, refusal: Omit<Refusal, 'step' | 'next'> & { next: string }) =>
    load('data/sales.csv', change, refusal, 'extract sales');
  const where = { at: 'plumbline.yaml:4' };
  const cases: readonly Case[] = [
    [
      'that is not there',
      ...extract(removed, {
        code: 'ELT_FILE_MISSING',
        says: 'no file matches "data/sales.csv"',
        ...where,
        next: 'Correct `path`',
      }),
    ],
    [
      'that is not there when a plan is asked for',
      () => ({ 'data/sales.csv': removed }),
      ['plan'],
      {
        step: 'plan',
        code: 'ELT_FILE_MISSING',
        says: 'no file matches "data/sales.csv"',
        ...where,
        next: 'Correct `path`',
      },
    ],
    [
      'without a byte',
      ...extract('', {
        code: 'ELT_FILE_EMPTY',
        says: 'it is empty',
        at: 'data/sales.csv',
        next: 'let its producer finish',
      }),
    ],
    [
      'of a header only',
      ...extract('day,price,units\n', {
        code: 'ELT_FILE_HEADER_ONLY',
        says: 'a header and 0 rows',
        at: 'data/sales.csv:1',
        next: 'The table keeps its former rows',
      }),
    ],
    [
      'that is a directory',
      ...extract((path) => rm(path).then(() => mkdir(path)), {
        code: 'ELT_FILE_IS_DIRECTORY',
        says: 'data/sales.csv is a directory',
        ...where,
        next: 'data/sales.csv/*.csv',
      }),
    ],
    [
      'that is a pipe nobody writes to',
      ...extract((path) => rm(path).then(() => execFileSync('mkfifo', [path])), {
        code: 'ELT_FILE_UNREADABLE',
        says: 'is a pipe, a socket or a device',
        ...where,
        next: 'into a file',
      }),
    ],
    [
      'that the system cannot open',
      ...extract((path) => rm(path).then(() => symlink('sales.csv', path)), {
        code: 'ELT_FILE_UNREADABLE',
        says: 'ELOOP',
        ...where,
        next: 'a file that can be read',
      }),
    ],
    [
      'in UTF-16 that does not say so',
      () => ({ 'data/sales.csv': Buffer.from(`${sales.join('\n')}\n`, 'utf16le') }),
      ['run', 'load'],
      {
        step: 'extract sales',
        code: 'ELT_FILE_ENCODING',
        says: 'it is UTF-16LE without a byte order mark; expected UTF-8',
        at: 'data/sales.csv:1',
        next: 'Set `encoding: utf-16`',
      },
    ],
    [
      'of binary data',
      ...extract(Buffer.from(Array.from({ length: 5_000 }, (_, index) => (index * 7_919) % 256)), {
        code: 'ELT_FILE_BINARY',
        says: 'it is binary data',
        at: 'data/sales.csv:1',
        next: 'Set `format`',
      }),
    ],
    [
      'with two columns of one name',
      () => csv(['day,price,price', ...sales.slice(1)]),
      ['run', 'load'],
      {
        step: 'load sales (data/sales.csv)',
        code: 'ELT_COLUMN_DUPLICATE',
        says: 'columns 2 and 3 are both named "price"',
        at: 'data/sales.csv:1',
        next: 'Rename one',
      },
    ],
    [
      'with more bad rows than allowed, counted',
      () => csv(sales.map((line, index) => (index % 10 === 5 ? `${line},9,9` : line))),
      ['run', 'load'],
      {
        step: 'load sales (data/sales.csv)',
        code: 'ELT_TOO_MANY_REJECTS',
        says: '37 of its 365 rows were refused, expected at most 1 %',
        at: 'data/sales.csv:6',
        next: 'max_rejected',
      },
    ],
  ];
  it.each(cases)('%s is refused', async (...one) => refuses(one));

  it.skipIf(isRoot('a file without the right to read'))('without the right to read it is refused', () =>
    refuses([
      '',
      ...extract((path) => chmod(path, 0), {
        code: 'ELT_FILE_UNREADABLE',
        says: 'EACCES',
        at: 'data/sales.csv',
        next: 'right to read',
      }),
    ]),
  );

  it('with ragged rows and text among numbers loses those rows only, counts them and says how to see them', async () => {
    const before = await shop.content();
    const lines = sales.map(
      (line, index) => ({ 5: `${line},9,9`, 7: '2025-01-07', 9: '2025-01-09,4.00,many' })[index] ?? line,
    );
    const source = await replaced('plumbline.yaml', 'primary_key: day', 'primary_key: day, columns: { units: bigint }');
    const extra = {
      'plumbline.yaml': source['plumbline.yaml']!.replace(
        'sales:',
        'ragged: { path: data/ragged.csv, columns: { units: bigint } }\n  sales:',
      )
        .replace('columns: { units: bigint } }\n\n', '}\n\n')
        .replace('day, }', 'day }'),
    };
    const { code, stdout, stderr } = await shop.with({ ...extra, 'data/ragged.csv': `${lines.join('\n')}\n` }, [
      'run',
      'load',
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/load +ragged +362 rows {3}3 rejected/);
    const [, list] = /! ragged: see the rejected rows with `plumbline (.*)`/.exec(stdout) ?? [];
    expect(await shop.json(list!.split(' '))).toMatchObject([
      { line: 6, column_name: null, value: null, reason: expect.stringMatching(/column|field/i) as string },
      { line: 8, column_name: null, value: null, reason: expect.stringMatching(/column|field/i) as string },
      { line: 10, column_name: 'units', value: 'many', reason: expect.stringMatching(/bigint/) as string },
    ]);
    await shop.query('DROP TABLE shop_dev_raw.ragged');
    expect(await shop.content()).toEqual(before);
  });

  it('with long, reserved and hostile column names is loaded, harms nothing, and the renamed ones are named', async () => {
    const before = await shop.content();
    const long = 'a'.repeat(70);
    await shop.query('CREATE TABLE public.y AS SELECT 1 AS one');
    const changes = {
      ...(await replaced('plumbline.yaml', 'sales:', 'hostile: { path: data/hostile.csv }\n  sales:')),
      'data/hostile.csv': `__proto__,constructor,"x""; drop table y;--",select,xmin,${long}\n1,2,3,4,5,6\n`,
    };
    const { code, stdout } = await shop.with(changes, ['run', 'load']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/load +hostile +1 row {4}0 rejected/);
    expect(stdout).toMatch(
      new RegExp(`! Column "${long}" is longer than the 63 bytes .* loaded as "a{54}_[0-9a-f]{8}"`),
    );
    expect(stdout).toContain('! Column "xmin" is a reserved name; it is loaded as "xmin_"');
    const [row] = await shop.query<object>('SELECT * FROM shop_dev_raw.hostile');
    const names = [
      '__proto__',
      'constructor',
      'x"; drop table y;--',
      'select',
      'xmin_',
      expect.stringMatching(/^a{54}_/) as string,
    ];
    expect(Object.keys(row!).filter((name) => !name.startsWith('_load') && name !== '_row_number')).toEqual(names);
    expect(await shop.query('SELECT * FROM public.y')).toEqual([{ one: 1 }]);
    await shop.query('DROP TABLE shop_dev_raw.hostile, public.y');
    expect(await shop.content()).toEqual(before);
  });
});

describe('SQL', () => {
  const cases: readonly Case[] = [
    [
      'with a syntax error',
      () => ({ 'sql/daily.sql': `-- description: one row a day\nSELECT day, units\nFORM {{ source('sales') }}\n` }),
      ['run'],
      {
        step: 'transform daily',
        code: 'ELT_SQL_ERROR',
        says: 'syntax error at or near',
        at: 'sql/daily.sql:3:6',
        next: 'go on: `plumbline run`',
      },
    ],
    [
      'that names a column that is not there',
      () => ({ 'sql/daily.sql': `SELECT day,\n  unitz AS units\nFROM {{ source('sales') }}\n` }),
      ['run'],
      {
        step: 'transform daily',
        code: 'ELT_SQL_ERROR',
        says: 'column "unitz" does not exist',
        at: 'sql/daily.sql:2:3',
        next: 'Perhaps you meant to reference the column "sales.units"',
      },
    ],
    [
      'that goes in a circle',
      () => ({
        'sql/daily.sql': `SELECT * FROM {{ ref('weekly') }}\n`,
        'sql/weekly.sql': `SELECT * FROM {{ ref('daily') }}\n`,
      }),
      ['run'],
      {
        code: 'ELT_SQL_CYCLE',
        says: 'daily → weekly → daily',
        at: 'sql/daily.sql',
        next: 'Take one of these `ref` out',
      },
    ],
    [
      'with an unknown ref',
      () => ({ 'sql/daily.sql': `SELECT *\nFROM {{ ref('dayly') }}\n` }),
      ['run'],
      {
        code: 'SQL_UNKNOWN_REF',
        says: "ref('dayly'): there is no transform of that name",
        at: 'sql/daily.sql:2',
        next: 'Nearest name: daily',
      },
    ],
    [
      'with an unknown ref when a plan is asked for',
      () => ({ 'sql/daily.sql': `SELECT *\nFROM {{ ref('dayly') }}\n` }),
      ['plan'],
      {
        code: 'SQL_UNKNOWN_REF',
        says: "ref('dayly'): there is no transform of that name",
        at: 'sql/daily.sql:2',
        next: 'Nearest name: daily',
      },
    ],
    [
      'whose table fails its test: the old table stays',
      () => replaced('plumbline.yaml', 'min: 300', 'min: 3000'),
      ['run'],
      {
        step: 'transform daily',
        code: 'ELT_TEST_FAILED',
        says: 'Test row_count(3000..) of shop_dev.daily failed: it has 365 rows',
        at: 'plumbline.yaml:9',
        next: '1 of 8 steps done and kept',
      },
    ],
  ];
  it.each(cases)('%s is refused', async (...one) => refuses(one));
});

describe('labels and features', () => {
  const labels = (select: string, more = '') =>
    replaced('labels.sql', /SELECT day, units\n(.*)\n/, `SELECT ${select}\n$1\n${more}`);
  const cases: readonly Case[] = [
    [
      'a target that is not in the SELECT',
      () => labels('day'),
      ['run'],
      {
        step: 'features main',
        code: 'FEATURES_COLUMN_MISSING',
        says: 'the header says `target: units`, but the SELECT gives day',
        at: 'labels.sql:3',
        next: 'Add units to the SELECT',
      },
    ],
    [
      'a target of one value',
      () => labels('day, 7 AS units'),
      ['run'],
      {
        step: 'features main',
        code: 'FEATURES_TARGET',
        says: 'it is 7 in all 273 training rows',
        at: 'labels.sql:5',
        next: 'Check the column',
      },
    ],
    [
      'a target without a value',
      () => labels('day, NULL::integer AS units'),
      ['run'],
      {
        step: 'features main',
        code: 'FEATURES_TARGET',
        says: 'it is NULL in all 365 rows',
        at: 'labels.sql:5',
        next: 'Check the column',
      },
    ],
    [
      'fewer than 20 rows',
      () => labels('day, units', `WHERE day BETWEEN '2025-09-12' AND '2025-10-31'\n`),
      ['run'],
      {
        step: 'features main',
        code: 'FEATURES_TOO_FEW_ROWS',
        says: '19 rows have a label time before test_from 2025-10-01, expected at least 20',
        at: 'labels.sql:5',
        next: '2 of 8 steps done and kept; then go on: `plumbline run`',
      },
    ],
  ];
  it.each(cases)('%s is refused', async (...one) => refuses(one));

  it('the parts of the target stop the run, which names both and no honest column', async () => {
    const bikes = await createStack(BIKE_DEMAND);
    try {
      const demand = join(bikes.root, 'sql', 'demand.sql');
      await writeFile(demand, (await readFile(demand, 'utf8')).replace('  hr,\n', '  hr,\n  casual,\n  registered,\n'));
      await writeFile(
        join(bikes.root, 'features', 'counts.sql'),
        `-- entity: hour_at\n-- event_time: hour_at\n-- known_at: known_at\n` +
          `SELECT hour_at, hour_at - interval '24 hours' AS known_at, casual, registered FROM {{ ref('demand') }}\n`,
      );
      const yaml = join(bikes.root, 'plumbline.yaml');
      await writeFile(
        yaml,
        (await readFile(yaml, 'utf8')).replace(
          'features: [calendar, demand_lags]\n',
          'features: [calendar, demand_lags, counts]\n',
        ),
      );
      const env = { NO_COLOR: '1', ...(await shop.servers()) };
      const result = await bikes.plumbline(['run'], { env });
      expectRefusal(result, {
        step: 'features main',
        code: 'FEATURES_LEAK',
        says: /^ {2}Feature columns casual, registered would leak the target: rides = casual \+ registered in 17,?379 of 17,?379 rows\.$/,
        at: 'features/counts.sql',
        next: 'Remove them from feature view counts',
      });
      expect(result.stderr).not.toMatch(/\bhr\b|lag24|lag168/);
      expect(JSON.parse((await bikes.plumbline(['models', 'list', '--json'], { env })).stdout)).toEqual([]);
    } finally {
      await bikes.destroy();
    }
  }, 60_000);
});

describe('the servers', () => {
  const silent = createServer(() => {});
  let address: string;
  beforeAll(async () => {
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  });
  afterAll(() => silent.close());
  const urlOf = async () => (await shop.servers())['PLUMBLINE_DATABASE_URL']!;
  const pgCases: readonly (readonly [string, () => Promise<NodeJS.ProcessEnv>, Refusal])[] = [
    [
      'PostgreSQL that is not there',
      async () => ({ PLUMBLINE_DATABASE_URL: 'postgres://a:secret@127.0.0.1:9/x' }),
      {
        code: 'PG_UNREACHABLE',
        says: 'Connecting to PostgreSQL failed: connect ECONNREFUSED 127.0.0.1:9',
        next: 'plumbline up',
        exit: 3,
      },
    ],
    [
      'PostgreSQL that does not answer',
      async () => ({ PLUMBLINE_DATABASE_URL: `postgres://a:secret@${address}/x` }),
      {
        code: 'PG_UNREACHABLE',
        says: 'Connecting to PostgreSQL failed',
        next: 'check PLUMBLINE_DATABASE_URL',
        exit: 3,
      },
    ],
    [
      'something else at PostgreSQL’s address',
      async () => ({ PLUMBLINE_DATABASE_URL: (await urlOf()).replace(/:\d+\//, `:${new URL(url).port}/`) }),
      { code: 'PG_CONNECTION_LOST', says: 'closed the connection', next: 'PLUMBLINE_DATABASE_URL', exit: 3 },
    ],
    [
      'a wrong password',
      async () => ({ PLUMBLINE_DATABASE_URL: (await urlOf()).replace(/plumbline:[^@]+@/, 'plumbline:wrong@') }),
      {
        code: 'PG_LOGIN_REFUSED',
        says: 'password authentication failed',
        next: 'user, password and database',
        exit: 3,
      },
    ],
    [
      'a password that is not percent-encoded',
      async () => ({ PLUMBLINE_DATABASE_URL: 'postgres://a:top#secret@127.0.0.1:9/x' }),
      {
        code: 'CONFIG_VALUE_INVALID',
        says: 'Reading PLUMBLINE_DATABASE_URL gave an address that cannot be read',
        next: 'Percent-encode the password',
        exit: 1,
      },
    ],
    [
      'a PostgreSQL without TLS that is asked for it',
      async () => ({ PLUMBLINE_DATABASE_URL: `${await urlOf()}?sslmode=verify-full` }),
      { code: 'PG_TLS_FAILED', says: 'does not support SSL', next: '`sslmode`', exit: 3 },
    ],
    [
      'a database that does not exist',
      async () => ({ PLUMBLINE_DATABASE_URL: (await urlOf()).replace(/plumbline$/, 'nowhere') }),
      { code: 'PG_LOGIN_REFUSED', says: 'database "nowhere" does not exist', next: 'PLUMBLINE_DATABASE_URL', exit: 3 },
    ],
    [
      'a database no worker has been at',
      async () => ({ PLUMBLINE_DATABASE_URL: (await urlOf()).replace(/plumbline$/, 'template1') }),
      { code: 'PG_NOT_MIGRATED', says: 'no tables of plumbline', next: 'plumbline worker', exit: 3 },
    ],
    [
      'Temporal that is not there',
      async () => ({ TEMPORAL_ADDRESS: '127.0.0.1:9' }),
      {
        code: 'TEMPORAL_UNREACHABLE',
        says: /127\.0\.0\.1:9, namespace default, failed: connect ECONNREFUSED/,
        next: 'Check TEMPORAL_ADDRESS',
        exit: 3,
      },
    ],
    [
      'Temporal that does not answer',
      async () => ({ TEMPORAL_ADDRESS: address }),
      {
        code: 'TEMPORAL_UNREACHABLE',
        says: 'Connecting to Temporal at 127.0.0.1',
        next: 'Check TEMPORAL_ADDRESS',
        exit: 3,
      },
    ],
    [
      'a namespace that does not exist',
      async () => ({ TEMPORAL_NAMESPACE: 'nowhere' }),
      { code: 'TEMPORAL_UNREACHABLE', says: 'namespace nowhere', next: 'TEMPORAL_NAMESPACE', exit: 3 },
    ],
  ];
  it.each(pgCases)('%s: one sentence within 5 s and its exit code', async (_title, env, refusal) => {
    const before = await shop.content();
    const servers = await env();
    const began = Date.now();
    await shop.plumbline(['models', 'list']);
    const startMs = Date.now() - began;
    const asked = Date.now();
    const result = await shop.with({}, ['run'], servers);
    // The bound is on waiting; how long Node.js takes to start and import is the machine’s affair.
    expect(Date.now() - asked - startMs).toBeLessThan(5_000);
    expectRefusal(result, refusal);
    expect(result.stderr).not.toContain('secret');
    expect(await shop.content()).toEqual(before);
  });

  it('a port that is taken is named, by `serve` and by `up`, and nothing is left running', async () => {
    const { port } = new URL(url);
    expectRefusal(await shop.with({}, ['serve', '--port', port]), {
      code: 'SERVE_PORT_TAKEN',
      says: `Listening on 127.0.0.1:${port} failed: another program has the port`,
      next: '--port',
    });
    const other = await createStack(shop.root);
    try {
      await cp(join(shop.root, 'plumbline.yaml'), join(other.root, 'plumbline.yaml'));
      const result = await other.plumbline(['up'], { env: { NO_COLOR: '1', PLUMBLINE_SERVING_PORT: port } });
      expectRefusal(
        { ...result, stderr: result.stderr.slice(result.stderr.indexOf('✗')) },
        {
          code: 'EMBEDDED_PORT_TAKEN',
          says: `on port ${port} (PLUMBLINE_SERVING_PORT) failed: another program listens there`,
          next: 'unset PLUMBLINE_SERVING_PORT',
        },
      );
      expect((await other.plumbline(['status'])).code).toBe(3);
    } finally {
      await other.destroy();
    }
  });

  it('a second run while one runs is told which one, and the first goes on', async () => {
    const client = new pg.Client({ connectionString: await urlOf() });
    await client.connect();
    try {
      // Holds the first run up at the swap of its table.
      await client.query('BEGIN; LOCK TABLE shop_dev_raw.sales IN ACCESS SHARE MODE');
      const { runId } = await shop.json<{ runId: string }>(['run', 'load', '--force', '--detach']);
      expectRefusal(await shop.with({}, ['run']), {
        code: 'RUN_ALREADY_RUNNING',
        says: `Starting a run of shop (dev) failed: run ${runId} is in progress`,
        next: `plumbline runs watch ${runId}`,
      });
      await client.query('COMMIT');
      await waitFor('the first run to end', async () => {
        const { run } = await shop.json<{ run: { status: string } }>(['runs', 'show', runId]);
        return run.status === 'succeeded' ? true : undefined;
      });
    } finally {
      await client.end();
    }
  }, 60_000);
});

it('after all this the models are what they were', async () => {
  expect(await shop.json(['models', 'list'])).toEqual(models);
});

describe('serving', () => {
  const post = async (path: string, body: string) => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const answer = async () => (await post('/models/shop/predict', JSON.stringify({ rows: [ROW] }))).body;
  let usual: unknown;
  beforeEach(async () => (usual = (await answer())['predictions']));
  afterEach(async () => expect((await answer())['predictions']).toEqual(usual));

  it.each([
    ['broken JSON', '{"rows": [', 400, { code: 'SERVE_BODY_INVALID' }],
    [
      'a text for a number',
      JSON.stringify({ rows: [{ ...ROW, price: '4' }] }),
      400,
      { code: 'SERVE_INPUT_INVALID', input: 'price' },
    ],
    [
      'an input that is missing',
      JSON.stringify({ rows: [{ price: 4 }] }),
      400,
      { code: 'SERVE_INPUT_MISSING', input: 'weekday' },
    ],
    [
      'an input nobody knows',
      JSON.stringify({ rows: [{ ...ROW, colour: 1 }] }),
      400,
      { code: 'SERVE_INPUT_UNKNOWN', input: 'colour' },
    ],
  ])('answers %s by naming it', async (_title, body, status, expected) => {
    expect(await post('/models/shop/predict', body)).toMatchObject({ status, body: expected });
  });

  it('answers an unknown model with those there are', async () => {
    expect(await post('/models/shoe/predict', '{}')).toMatchObject({
      status: 404,
      body: { code: 'SERVE_MODEL_UNKNOWN', error: 'model "shoe" is not served here, expected one of: "shop"' },
    });
  });

  it('refuses a body of 100 MB before it has read it', async () => {
    let sent = 0;
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': 100_000_000 };
      const posted = request(`${url}/models/shop/predict`, { method: 'POST', headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
        posted.destroy();
      });
      posted.on('error', reject);
      const chunk = Buffer.alloc(65_536, ' ');
      const send = () => {
        if (posted.destroyed || sent >= 100_000_000) return;
        sent += chunk.length;
        // Slowly: the answer comes after the headers, and a full pipe would break before it is read.
        posted.write(chunk, () => setTimeout(send, 5));
      };
      send();
    });
    expect(status).toBe(413);
    expect(sent).toBeLessThan(50_000_000);
  });

  describe.each([
    ['damaged', (bytes: Buffer) => Buffer.from(bytes.map((byte, index) => (index === 200 ? byte ^ 1 : byte)))],
    ['truncated', (bytes: Buffer) => bytes.subarray(0, 1_000)],
    ['foreign', () => readFile(join(import.meta.dirname, '../fixtures/onnx/demand-v1.onnx'))],
  ] as const)('a %s model file', (_kind, damage) => {
    it('is refused when asked for, and when the server meets it; the old model serves on', async () => {
      if ((await shop.json<unknown[]>(['models', 'list'])).length < 2) {
        // v2 serves from here on; v1 is the one to be damaged.
        const linear = await replaced('plumbline.yaml', '  test_from', '  trainer: { type: linear }\n  test_from');
        expect((await shop.with(linear, ['run'])).code).toBe(0);
        await waitFor('v2 to serve', async () => ((await answer())['version'] === 2 ? true : undefined));
        usual = (await answer())['predictions'];
      }
      const { onnx } = await shop.json<{ onnx: { sha256: string } }>(['models', 'show', 'shop', '1']);
      const path = join(shop.root, '.plumbline', 'store', 'sha256', onnx.sha256.slice(0, 2), onnx.sha256);
      const intact = await readFile(path);
      const before = await shop.content();
      await writeFile(path, await damage(intact));
      try {
        for (const args of [
          ['models', 'rollback', 'shop'],
          ['models', 'promote', 'shop', '1', '--reason', 'better'],
        ]) {
          expectRefusal(await shop.with({}, args), {
            code: 'STORE_HASH_MISMATCH',
            says: `Making shop v1 serve failed, nothing was changed: Object ${onnx.sha256} in the artifact store has the content of`,
            next: 'Restore the object from a backup',
          });
        }
        expect(await shop.content()).toEqual(before);
        await shop.query(`UPDATE plumbline.serving_pointer SET version = 1, epoch = epoch + 1 WHERE project = 'shop'`);
        const refused = await waitFor('serving to refuse it', async () => {
          const { models } = (await (await fetch(`${url}/v2/health`)).json()) as {
            models: { version: number; refused?: object }[];
          };
          return models[0]!.refused && models[0];
        });
        expect(refused).toMatchObject({ version: 2, refused: { version: 1, code: 'STORE_HASH_MISMATCH' } });
        expect(await answer()).toMatchObject({ version: 2, predictions: usual });
      } finally {
        await shop.query(`UPDATE plumbline.serving_pointer SET version = 2, epoch = epoch + 1 WHERE project = 'shop'`);
        await writeFile(path, intact);
      }
    }, 60_000);
  });
});

describe('the command line', () => {
  it.each([
    ['an unknown command', ['rum'], "error: unknown command 'rum'\n(Did you mean run?)"],
    ['an unknown option', ['run', '--fource'], "error: unknown option '--fource'\n(Did you mean --force?)"],
    ['an unknown stage', ['run', 'lode'], 'expected load, transform, features, train, deploy.'],
    ['no number where one belongs', ['runs', 'list', '--limit', 'many'], 'Expected a whole number'],
    ['a missing argument', ['runs', 'show'], "error: missing required argument 'run'"],
    ['a prediction of nothing', ['predict', 'shop'], 'expected either --json or --file'],
  ])('answers %s with what is expected and exit code 2', async (_title, args, says) => {
    const { code, stdout, stderr } = await shop.with({}, args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(says);
    expect(stderr).toContain('--help');
  });

  it.each([
    [
      'no JSON',
      ['predict', 'shop', '--json', '{price: 4}'],
      { code: 'SERVE_BODY_INVALID', says: 'Reading --json failed', next: 'Quote it' },
    ],
    [
      'a wrong input',
      ['predict', 'shop', '--json', JSON.stringify({ ...ROW, price: 'four' })],
      {
        code: 'SERVE_INPUT_INVALID',
        says: 'input "price", row 0: got the string "four", expected a number',
        next: 'models show',
      },
    ],
    [
      'an unknown model',
      ['predict', 'shoe', '--json', '{}'],
      { code: 'SERVE_MODEL_UNKNOWN', says: 'expected one of: "shop"', next: 'models list' },
    ],
    [
      'serving that is down',
      ['predict', 'shop', '--json', '{}', '--url', 'http://127.0.0.1:9999'],
      { code: 'SERVE_UNREACHABLE', says: 'ECONNREFUSED', next: 'plumbline serve', exit: 3 },
    ],
    [
      'a run nobody knows',
      ['runs', 'show', 'nosuch'],
      { code: 'RUN_NOT_FOUND', says: 'Looking for run nosuch of shop found none', next: 'plumbline runs list' },
    ],
    [
      'a model nobody knows',
      ['models', 'show', 'shoe'],
      { code: 'DEPLOY_MODEL_UNKNOWN', says: 'expected one of: shop', next: 'models list' },
    ],
    [
      'a trace of nothing',
      ['trace', 'nosuch'],
      { code: 'TRACE_NOT_FOUND', says: 'Tracing "nosuch" failed', next: 'prediction id' },
    ],
  ] as const satisfies readonly (readonly [string, readonly string[], Refusal])[])(
    'answers %s',
    async (_title, args, refusal) => {
      const result = await shop.with({}, args);
      expectRefusal(result, refusal);
      expect(result.stdout).toBe('');
    },
  );

  it('prints one JSON object with --json and the stack with --verbose only', async () => {
    const sick = await replaced('plumbline.yaml', 'features:', 'feature:');
    const plain = await shop.with(sick, ['run']);
    const json = await shop.with(sick, ['run', '--json']);
    const verbose = await shop.with(sick, ['run', '--verbose']);
    expect(plain.stderr).not.toMatch(/^ +at /m);
    expect(verbose.stderr).toMatch(/^ +at /m);
    expect({ code: json.code, stderr: json.stderr }).toEqual({ code: 1, stderr: '' });
    expect(JSON.parse(json.stdout)).toMatchObject({
      error: { code: 'PROJECT_KEY_UNKNOWN', at: { file: 'plumbline.yaml', line: 13 } },
    });
    expect(json.stdout).not.toContain('"stack"');
  });
});

import { spawnSync } from 'node:child_process';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { identifier } from '../../src/model/sql-identifier.js';
import { ROWS, TABLE } from '../fixtures/fidelity/table.js';
import { createWorkbench, type Workbench } from './workbench.js';

interface Deviation {
  readonly rows: readonly number[];
  readonly column: string;
  readonly shown: string | null;
  readonly reason: string;
}

interface Path {
  readonly yaml: string;
  readonly table: string;
  /** What the format cannot say. */
  readonly deviations?: readonly Deviation[];
}

// Where python3 is a script of a version manager, it takes longer to start than all the rest.
const PYTHON = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).stdout?.trim();
if (!PYTHON) console.warn('skipped the path over Python: there is no python3 on the PATH');

// Types that a text cannot say of itself.
const DECLARED = `price: "numeric(38,9)", doc: jsonb, raw: bytea, key: uuid`;
const NO_JSON_NULL: Deviation = {
  rows: [6],
  column: 'doc',
  shown: null,
  reason: 'the format has one null, which is that of SQL',
};

const PATHS: Readonly<Record<string, Path>> = {
  CSV: { table: 'csv', yaml: `{ path: data/table.csv, columns: { ${DECLARED} } }` },
  NDJSON: {
    table: 'ndjson',
    // JSON has no number for NaN and the infinities, so they are texts; and 12:30 in JSON may be anything.
    yaml: `{ path: data/table.ndjson, columns: { ${DECLARED}, ratio: double precision, clock: time } }`,
    deviations: [NO_JSON_NULL],
  },
  JSON: {
    table: 'json',
    yaml: `{ path: data/table.json, columns: { ${DECLARED}, ratio: double precision, clock: time } }`,
    deviations: [NO_JSON_NULL],
  },
  Parquet: { table: 'parquet', yaml: '{ path: data/table.parquet }' },
  Excel: {
    table: 'xlsx',
    // A cell holds 15 digits, no NaN and no day before March of 1900: those are texts, of a declared type.
    yaml: `{ path: data/table.xlsx, columns: { ${DECLARED}, big: bigint, ratio: double precision, day: date, local: timestamp, zoned: timestamptz, clock: time } }`,
  },
  PostgreSQL: {
    table: 'pg_things',
    yaml: `{ type: postgres, connection: env:TEST_FIDELITY_URL, resources: { things: { table: things, primary_key: id } } }`,
  },
  Singer: {
    table: 'tap_things',
    yaml: `{ type: singer, command: [node, data/tap.mjs], discover: false, resources: { things: { columns: { ${DECLARED}, ratio: double precision, local: timestamp } } } }`,
    deviations: [NO_JSON_NULL],
  },
  ...(PYTHON && {
    Python: {
      table: 'python',
      yaml: `{ type: python, python: ${PYTHON}, script: data/table.py, columns: { price: "numeric(38,9)", doc: jsonb } }`,
      deviations: [{ ...NO_JSON_NULL, reason: 'None is the NULL of SQL' }],
    },
  }),
  plugin: {
    table: 'js_things',
    yaml: `{ type: plugin, module: data/table.mjs, resources: { things: { columns: { ${DECLARED}, ratio: double precision, day: date, local: timestamp, clock: time } } } }`,
    deviations: [
      { ...NO_JSON_NULL, reason: 'null is the NULL of SQL' },
      { rows: [1], column: 'zoned', shown: '2024-03-30 20:45:00.123+00', reason: 'a Date has milliseconds' },
      { rows: [3], column: 'doc', shown: '1.1', reason: 'a number of JavaScript does not keep its zeros' },
      { rows: [1], column: 'doc', shown: '{"a": [1.1, null, "x\\ny"], "b": ""}', reason: 'as above' },
    ],
  },
};

let bench: Workbench;
beforeAll(async () => {
  const sources = Object.values(PATHS).map(({ table, yaml }) => `  ${table.replace('_things', '')}: ${yaml}\n`);
  bench = await createWorkbench({
    'plumbline.yaml': `name: shop\nsources:\n${sources.join('')}`,
    'data/tap.mjs': `import { readFileSync } from 'node:fs';\nprocess.stdout.write(readFileSync('data/table.singer'));\n`,
  });
  const fixtures = new URL('../fixtures/fidelity/', import.meta.url);
  await mkdir(join(bench.root, 'data'), { recursive: true });
  await cp(fixtures, join(bench.root, 'data'), { recursive: true });
  await bench.test.database.execute(await readFile(new URL('table.sql', fixtures), 'utf8'));
  process.env['TEST_FIDELITY_URL'] = bench.test.url;
  const { run, plan } = await bench.open('run-1', ['elt']);
  await bench.elt(run, plan);
  await bench.close(run);
}, 120_000);
afterAll(async () => {
  delete process.env['TEST_FIDELITY_URL'];
  await bench.destroy();
});

it.each(Object.entries(PATHS))('%s brings every value as it was given', async (_, { table, deviations = [] }) => {
  const { database } = bench.test;
  const types = await database.query<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND attname !~ '^_' ORDER BY attnum`,
    [`shop_dev_raw.${table}`],
  );
  expect(types).toEqual(TABLE.map(({ name, type }) => ({ name, type })));
  const columns = TABLE.map(({ name }) => `${identifier(name)}::text`).join(', ');
  const loaded = await database.query<{ values: (string | null)[] }>(
    `SELECT ARRAY[${columns}] AS values FROM shop_dev_raw.${table} ORDER BY _row_number`,
  );
  const expected = Array.from({ length: ROWS }, (_, row) =>
    TABLE.map(({ name, given, shown = given }) => {
      const deviation = deviations.find(({ column, rows }) => column === name && rows.includes(row + 1));
      return deviation === undefined ? shown[row]! : deviation.shown;
    }),
  );
  expect(loaded.map(({ values }) => values)).toEqual(expected);
});

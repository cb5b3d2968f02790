import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DuckDBConnection } from '@duckdb/node-api';
import { withDuckDB } from '../../../src/elt/read/duckdb.js';
import { byteSource } from '../../../src/elt/read/open-bytes.js';
import { openCsv } from '../../../src/elt/read/open-csv.js';
import { planColumns } from '../../../src/elt/read/plan-columns.js';
import { classOfBytes } from '../../../src/elt/schema/class-of-bytes.js';
import { CLASSES, classOf } from '../../../src/elt/schema/infer-types.js';
import type { CsvOptions } from '../../../src/model/project.js';
import { giveValues } from './give-values.js';
import { NEARLY_VALUES, mutated } from './nearly-values.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const seed = Number(process.env['PLUMBLINE_TEST_SEED'] ?? Date.now() % 2 ** 31);

let folder: string;
let duckdb: DuckDBConnection;
let close: () => void;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plumbline-infer-'));
  let lend!: (connection: DuckDBConnection) => void;
  const connected = new Promise<DuckDBConnection>((resolve) => (lend = resolve));
  const closed = new Promise<void>((resolve) => (close = resolve));
  void withDuckDB({ folder, extraMemoryMb: 0 }, async (open) => (lend(await open()), closed));
  duckdb = await connected;
});
afterAll(async () => {
  close();
  await rm(folder, { recursive: true });
});

it('gives bytes the class that DuckDB gives their text', async () => {
  const padded = fc.tuple(mutated, fc.nat(2), fc.nat(2)).map(([v, from, to]) => ' '.repeat(from) + v + ' '.repeat(to));
  const named = [
    '1.5e-7',
    '123e-5',
    '-007',
    '+0',
    '-0',
    '00',
    '123456789012345',
    '-9223372036854775809',
    '-nan',
    'TRUE',
  ];
  const values = [...NEARLY_VALUES, ...named, ...fc.sample(fc.oneof(mutated, padded), { numRuns: 20_000, seed })]
    // PostgreSQL has no year 0, and what is text there need not be a date here.
    .filter((value) => !value.trim().startsWith('0000-'));
  await giveValues(duckdb, values);
  const classes = await duckdb.runAndReadAll(`SELECT (${classOf('v')})::INTEGER FROM given ORDER BY i`);
  const different = classes.getRowsJS().flatMap(([found], index) => {
    const bytes = Buffer.from(`1${values[index]!}1`);
    const own = classOfBytes(bytes, 1, bytes.length - 1);
    return own === found ? [] : [`${JSON.stringify(values[index])}: ${CLASSES[own]}, DuckDB ${CLASSES[Number(found)]}`];
  });
  expect(different.slice(0, 20), `seed ${seed}`).toEqual([]);
  const found = new Set(classes.getRowsJS().map(([value]) => CLASSES[Number(value)]));
  expect([...CLASSES].filter((name) => !found.has(name))).toEqual(['missing']);
});

/** The plan of a clean file by its bytes and by DuckDB; undefined of another, which only DuckDB reads. */
async function plans(path: string, csv?: CsvOptions): Promise<{ bytes: unknown; duckdb: unknown } | undefined> {
  const source = await openCsv(await byteSource(path, path), folder, csv);
  const { classify: _, ...other } = source;
  if (source.classify === undefined) return undefined;
  const plan = (of: typeof other): Promise<unknown> =>
    planColumns(async () => duckdb, of, {
      file: path,
      declared: {},
      existing: undefined,
      contract: { tables: 'evolve', columns: 'evolve', types: 'evolve' },
      isMadeAnew: true,
      tolerance: 0.2,
      at: { file: path, line: 1 },
    });
  return { bytes: await plan(source), duckdb: await plan(other) };
}

it('infers of every clean file what DuckDB infers of it', async () => {
  const spectrum = await readdir(join(root, 'tests/fixtures/elt/csv-spectrum'));
  const files = [
    ...spectrum.filter((file) => file.endsWith('.csv')).map((file) => `tests/fixtures/elt/csv-spectrum/${file}`),
    'tests/fixtures/fidelity/table.csv',
    'examples/bike-demand/data/hour.csv',
    'examples/jaffle-shop/seeds/raw_orders.csv',
  ];
  let compared = 0;
  for (const file of files) {
    const found = await plans(join(root, file));
    if (found === undefined) continue;
    compared++;
    expect(found.bytes, file).toEqual(found.duckdb);
  }
  expect(compared).toBeGreaterThan(8);
});

it('infers of columns of any mixture what DuckDB infers of them', async () => {
  const columns = 6;
  const value = fc.oneof(fc.constantFrom(...NEARLY_VALUES), mutated, fc.constant(''), fc.constant('a"b, \n1'));
  const alike = fc.constantFrom(
    '1',
    '-20',
    '3.5',
    '2024-01-01',
    '2024-01-01 10:00',
    'true',
    '007',
    '',
    '1e5',
    '10:20',
    'x',
  );
  const quoted = fc
    .tuple(value, fc.boolean())
    .map(([text, always]) => (always || /["\n,\r ]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text));
  const ends = fc.constantFrom('\n', '\r\n');
  let compared = 0;
  for (const [lines, end, usual] of fc.sample(
    fc.tuple(
      fc.array(fc.array(fc.tuple(fc.nat(9), quoted), { minLength: columns, maxLength: columns }), { minLength: 1, maxLength: 60 }), // prettier-ignore
      ends,
      fc.array(alike, { minLength: columns, maxLength: columns }),
    ),
    { numRuns: 8, seed },
  )) {
    const header = usual.map((_, index) => `column_${index}`);
    // Nine of ten values are alike: what is at odds with them counts.
    const rows = lines.map((line) => line.map(([dice, text], index) => (dice > 0 ? usual[index]! : text)));
    const path = join(folder, 'random.csv');
    await writeFile(path, [header, ...rows].map((row) => row.join(',') + end).join(''));
    const found = await plans(path, { delimiter: ',', quote: '"' });
    if (found === undefined) continue;
    compared++;
    expect(found.bytes, `seed ${seed}`).toEqual(found.duckdb);
  }
  expect(compared).toBeGreaterThan(3);
});

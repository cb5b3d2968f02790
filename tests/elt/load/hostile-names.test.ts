import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { nameColumns } from '../../../src/elt/schema/name-columns.js';
import { identifier, literal, qualified } from '../../../src/model/sql-identifier.js';
import { parseYaml } from '../../../src/project/located-yaml.js';
import { projectSchema } from '../../../src/project/schema/project.js';
import { openWorkbench, resourceOf, type Workbench } from './workbench.js';

const SEED = Number(process.env['PLUMBLINE_TEST_SEED'] ?? Date.now() % 2 ** 31);
const NAMES = 10_000;
/** Of one table; PostgreSQL has room for 1,600 with ours. */
const BATCH = 1_000;

const CANARY = `SELECT count(*)::int AS rows, md5(string_agg(song, '' ORDER BY i)) AS song FROM public.canary`;

let bench: Workbench;
let naughty: string[];
let names: string[];
let song: unknown;
beforeAll(async () => {
  bench = await openWorkbench();
  const file = new URL('../../fixtures/elt/naughty-strings.json', import.meta.url);
  naughty = (JSON.parse(await readFile(file, 'utf8')) as string[]).map((text) => text.replaceAll('\0', ''));
  const { database } = bench;
  await database.execute(
    `CREATE TABLE public.canary AS SELECT i, md5(i::text) AS song FROM generate_series(1, 100) AS i`,
  );
  [song] = await database.query(CANARY);
  const reserved = await database.query<{ word: string }>('SELECT word FROM pg_get_keywords()');
  names = hostileNames(reserved.map(({ word }) => word));
}, 60_000);
afterAll(() => bench.close());

afterEach(async () => {
  const [canary] = await bench.database.query(CANARY);
  expect(canary).toEqual(song);
  const strangers = await bench.database.query(
    `SELECT n.nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
     WHERE relkind IN ('r', 'v') AND n.nspname NOT IN ('plumbline', 'pg_catalog', 'information_schema', 'demo_dev_raw') AND relname <> 'canary'`,
  );
  expect(strangers).toEqual([]);
});

/** Naughty strings, reserved words, what ends an identifier or a statement, and texts alike in their first 63 bytes; no two the same column. */
function hostileNames(reserved: readonly string[]): string[] {
  const attack = fc
    .tuple(fc.constantFrom('"', '""', "'", '";', '\\"', '$$', '*/', '.', '"."', '\u201d', 'U&"'), fc.string({ unit: 'binary', maxLength: 8 }), fc.constantFrom(...reserved, 'DROP TABLE public.canary'), fc.constantFrom(';--', '; /*', '")', '\n', ' ', "'))", '%s', '$1', '?', ':x', '{{ x }}'))
    .map((parts) => parts.join(' ')); // prettier-ignore
  const long = fc.tuple(fc.constantFrom('a', 'é', '日', '\u{1f600}'), fc.string({ unit: 'binary', maxLength: 20 })).map(([unit, end]) => unit.repeat(70) + end); // prettier-ignore
  const any = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 });
  const generated = fc.sample(fc.oneof(attack, attack, long, any), { seed: SEED, numRuns: 3 * NAMES });
  const unique = new Map<string, string>();
  for (const name of ['__proto__', 'constructor', 'toString', ...naughty, ...reserved, ...generated]) {
    const clean = name.replaceAll('\0', '').trim();
    // Names of our own and of PostgreSQL get a `_` behind, which may be another's name.
    if (clean !== '' && unique.size < NAMES) unique.set(nameColumns([clean], 'f').names[0]!, clean);
  }
  return [...unique.values()];
}

it(`10,000 hostile names, quoted, are what PostgreSQL reads (seed ${SEED})`, async () => {
  expect(names).toHaveLength(NAMES);
  for (let from = 0; from < names.length; from += BATCH) {
    const { names: columns } = nameColumns(names.slice(from, from + BATCH), 'f');
    const [row] = await bench.database.query(
      `SELECT ${columns.map((name, at) => `${at} AS ${identifier(name)}`).join(', ')}`,
    );
    expect(Object.entries(row!).length).toBe(columns.length);
    for (const [at, name] of columns.entries()) expect(row![name], name).toBe(at);
  }
  // A name with NUL can never be one; whoever asks for it hears so before PostgreSQL does.
  expect(() => identifier('a\0b')).toThrow();
});

it('as columns of files they become columns of a table, each with its own values', async () => {
  // As many as a table of its own holds, twice: made anew, then merged by the first of them.
  const some = [...names.slice(0, BATCH / 2), ...names.slice(-BATCH / 2)];
  const record = (row: number): string =>
    JSON.stringify(Object.fromEntries(some.map((name, at) => [name, row * BATCH + at])));
  await bench.write('hostile.json', `[${record(0)}, ${record(1)}]`);
  const { loads } = await bench.run(resourceOf({ path: 'hostile.json', id: 'made', table: 'made' }));
  const { columns } = loads[0]!;
  expect(columns.map(({ header }) => header).sort()).toEqual([...some].sort());
  const select = (table: string): string =>
    `SELECT ARRAY[${columns.map(({ name }) => `${identifier(name)}::int`).join(', ')}] AS values FROM ${qualified('demo_dev_raw', table)} ORDER BY _load_id, _row_number`;
  const valuesOf = async (table: string): Promise<number[][]> =>
    (await bench.database.query<{ values: number[] }>(select(table))).map(({ values }) => values);
  const expected = (row: number): number[] => columns.map(({ header }) => row * BATCH + some.indexOf(header));
  expect(await valuesOf('made')).toEqual([expected(0), expected(1)]);
}, 60_000);

it('as keys of a merge and as names of tables they are no more than names', async () => {
  // A table for each would take minutes: those that differ most.
  const tables = names.filter((_, at) => at % (NAMES / 12) === 0).map((name) => nameColumns([name], 'f').names[0]!);
  for (const [at, table] of tables.entries()) {
    const key = names[(at * 37) % names.length]!;
    const path = `merge${at}.ndjson`;
    const merged = resourceOf({
      path,
      id: `m${at}`,
      table,
      write: 'merge',
      primaryKey: nameColumns([key], path).names,
    });
    for (const amount of [1, 2]) {
      await bench.write(
        path,
        `${JSON.stringify({ [key]: 1, amount })}\n${JSON.stringify({ [key]: amount + 1, amount })}\n`,
      );
      await bench.run(merged);
    }
    const rows = await bench.database.query(`SELECT amount::int FROM ${qualified('demo_dev_raw', table)} ORDER BY 1`);
    expect(rows, table).toEqual([{ amount: 1 }, { amount: 2 }, { amount: 2 }]);
    await bench.run(resourceOf({ path, id: `r${at}`, table }));
    expect(await bench.database.query(`SELECT amount::int FROM ${qualified('demo_dev_raw', table)}`)).toHaveLength(2);
  }
}, 60_000);

it('as names of sources, resources and environments they are refused, or plain words', () => {
  const accepted = new Set<string>();
  for (const name of names) {
    const resources = { [name]: { table: 't' } };
    for (const part of [
      { sources: { [name]: { path: 'a.csv' } } },
      { sources: { s: { type: 'postgres', connection: 'env:X', resources } } },
      { environments: { [name]: {} } },
      { sources: { s: { path: 'a.csv', table: name } } },
    ]) {
      const project = { name: 'shop', ...part };
      if (!projectSchema.safeParse(project).success) continue;
      if (parseYaml('plumbline.yaml', JSON.stringify(project)).problems.length === 0) accepted.add(name);
    }
  }
  for (const name of accepted) expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
  // Reserved words are among them, quoted like all others.
  expect(accepted).toContain('select');
});

it('every naughty string passes through Parquet, as a value and as a name', async () => {
  const texts = naughty.filter((text, at) => naughty.indexOf(text) === at);
  const columns = [...new Set(texts.map((text) => text.trim()).filter((text) => text !== ''))].slice(0, 400);
  const instance = await DuckDBInstance.create(':memory:');
  const duckdb = await instance.connect();
  const write = async (name: string, select: string): Promise<unknown> =>
    duckdb.run(`COPY (${select}) TO ${literal(join(bench.root, name))} (FORMAT parquet)`);
  await write('values.parquet', `SELECT unnest([${texts.map(literal).join(', ')}]) AS v`);
  // DuckDB has no two names that differ in case alone.
  const distinct = columns.filter(
    (one, at) => columns.findIndex((other) => other.toLowerCase() === one.toLowerCase()) === at,
  );
  await write('names.parquet', `SELECT ${distinct.map((name, at) => `${at} AS ${identifier(name)}`).join(', ')}`);
  duckdb.closeSync();
  instance.closeSync();
  await bench.run(resourceOf({ path: 'values.parquet', id: 'values', table: 'values', maxRejectedShare: 0 }));
  expect((await bench.rows('values', 'v')).map(({ v }) => v)).toEqual(texts);
  const { loads } = await bench.run(resourceOf({ path: 'names.parquet', id: 'names', table: 'names' }));
  const [row] = await bench.rows('names');
  for (const { name, header } of loads[0]!.columns) expect(row![name], header).toBe(String(distinct.indexOf(header)));
  expect(loads[0]!.columns).toHaveLength(distinct.length);
});

it('names alike in their first 63 bytes stay apart, and those that cannot are refused by the file', async () => {
  const [one, other] = ['x', 'y'].map((end) => 'é'.repeat(40) + end);
  const cut = nameColumns([one!], 'f').names[0]!;
  await bench.write('cut.csv', `${one},${other}\n1,2\n`);
  const { loads } = await bench.run(resourceOf({ path: 'cut.csv', id: 'cut', table: 'cut' }));
  expect(new Set(loads[0]!.columns.map(({ name }) => name)).size).toBe(2);
  for (const { name } of loads[0]!.columns) expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
  await bench.write('twice.csv', `${one},${cut}\n1,2\n`);
  const twice = bench.run(resourceOf({ path: 'twice.csv', id: 'twice', table: 'twice' }));
  await expect(twice).rejects.toMatchObject({
    code: 'ELT_COLUMN_DUPLICATE',
    terminal: true,
    at: { file: 'twice.csv', line: 1 },
  });
  await bench.write('nul.csv', 'a\0b,c\n1,2\n');
  await expect(bench.run(resourceOf({ path: 'nul.csv', id: 'nul', table: 'nul' }))).rejects.toMatchObject({
    terminal: true,
  });
});

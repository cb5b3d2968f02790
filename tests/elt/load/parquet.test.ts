import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openParquet } from '../../../src/elt/read/open-parquet.js';
import { literal } from '../../../src/model/sql-identifier.js';
import { openWorkbench, resourceOf, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

async function writeParquet(name: string, select: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`SET TimeZone = 'UTC'; COPY (${select}) TO ${literal(join(bench.root, name))} (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
}

test('every type of a Parquet file arrives exactly', async () => {
  await writeParquet(
    'types.parquet',
    `SELECT 9007199254740993::BIGINT AS i, 18446744073709551615::UBIGINT AS u, 12345678901234567890.123456789::DECIMAL(38,9) AS n,
       0.1::FLOAT AS f, -'nan'::DOUBLE AS d, true AS b, '' AS s, DATE '2024-02-29' AS day, TIMESTAMP '2024-02-29 12:00:00.000001' AS at,
       TIMESTAMPTZ '2024-02-29 12:00:00+05' AS zoned, '\\xDE\\xAD\\x00'::BLOB AS raw, {'a': [1, 2], 'b': 'x'} AS o, TIME '23:59:59' AS t,
       'a"b'||chr(9)||chr(10)||'\\' AS odd, NULL::INTEGER AS nothing, 1::UTINYINT AS "x""; drop table y;--"`,
  );
  const { loads } = await bench.run(resourceOf({ path: 'types.parquet', id: 'p', table: 'p' }));
  expect(loads[0]!.columns.map(({ type }) => type)).toEqual([
    'bigint', 'numeric', 'numeric(38,9)', 'double precision', 'double precision', 'boolean', 'text', 'date', 'timestamp',
    'timestamptz', 'bytea', 'jsonb', 'time', 'text', 'bigint', 'bigint',
  ]); // prettier-ignore
  const select = loads[0]!.columns.map(({ name }) => `"${name.replaceAll('"', '""')}"::text`).join(', ');
  const [row] = await bench.database.query<{ values: unknown }>(
    `SELECT ARRAY[${select}] AS values FROM demo_dev_raw.p`,
  );
  expect(row!.values).toEqual([
    '9007199254740993', '18446744073709551615', '12345678901234567890.123456789', '0.10000000149011612', 'NaN', 'true', '',
    '2024-02-29', '2024-02-29 12:00:00.000001', '2024-02-29 07:00:00+00', '\\xdead00', '{"a": [1, 2], "b": "x"}', '23:59:59',
    'a"b\t\n\\', null, '1',
  ]); // prettier-ignore
});

test('a folder such as id=7 above a Parquet file is no column of it', async () => {
  await mkdir(join(bench.root, 'id=7/year=2024'), { recursive: true });
  await writeParquet('id=7/year=2024/own.parquet', 'SELECT 1 AS id');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const { headers, relation } = await openParquet(connection, join(bench.root, 'id=7/year=2024/own.parquet'), 'own.parquet');
  expect([headers, (await connection.runAndReadAll(`FROM ${relation}`)).getRows()]).toEqual([['id'], [['1']]]);
  connection.closeSync();
  instance.closeSync();
}); // prettier-ignore

test('gzip around a Parquet file or a workbook is taken off; what is none is refused by the name that the project has for it', async () => {
  await writeParquet('plain.parquet', 'SELECT 1 AS id');
  await bench.write('packed.parquet.gz', gzipSync(await readFile(join(bench.root, 'plain.parquet'))));
  await bench.write('packed.xlsx.gz', gzipSync(await readFile('tests/fixtures/elt/xlsx/openpyxl.xlsx')));
  for (const [id, rows] of [['parquet', 1], ['xlsx', 3]] as const)
    expect((await bench.run(resourceOf({ path: `packed.${id}.gz`, id, table: id }))).published.rows).toBe(rows);
  await bench.write('none.parquet', 'id\n1\n');
  await expect(bench.run(resourceOf({ path: 'none.parquet', id: 'none', table: 'none' }))).rejects.toMatchObject({
    code: 'ELT_FILE_MALFORMED',
    message: expect.not.stringContaining(bench.storeFolder) as string,
  });
}); // prettier-ignore

test('times of nanoseconds that PostgreSQL would round are quarantined, by row', async () => {
  await writeParquet(
    'nanos.parquet',
    `SELECT unnest([TIMESTAMP_NS '2024-01-01 00:00:00.123456', TIMESTAMP_NS '2024-01-01 00:00:00.123456789']) AS at`,
  );
  const { loads } = await bench.run(
    resourceOf({ path: 'nanos.parquet', id: 'ns', table: 'ns', maxRejectedShare: 0.5 }),
  );
  expect(loads[0]).toMatchObject({ rowsLoaded: 1, rowsRejected: 1 });
  expect(
    await bench.database.query(
      'SELECT row_number::int AS row, line, column_name AS "column", value FROM plumbline.rejects WHERE load_id = $1',
      [loads[0]!.loadId],
    ),
  ).toEqual([{ row: 2, line: null, column: 'at', value: '2024-01-01 00:00:00.123456789' }]);
});

test('rows keep their numbers over many row groups', async () => {
  await writeParquet('many.parquet', 'SELECT range AS id FROM range(300000)');
  const { published } = await bench.run(resourceOf({ path: 'many.parquet', id: 'many', table: 'many' }));
  expect(published.rows).toBe(300_000);
  expect(await bench.database.query('SELECT bool_and(_row_number = id + 1) AS ordered FROM demo_dev_raw.many')).toEqual(
    [{ ordered: true }],
  );
});

const conformance = 'tests/fixtures/elt/parquet/';

test.each(['delta_byte_array', 'delta_encoding_required_column', 'delta_encoding_optional_column'])(
  '%s holds what its CSV says',
  async (name) => {
    await bench.write(`${name}.parquet`, await readFile(`${conformance}${name}.parquet`));
    await bench.write(`${name}.csv`, await readFile(`${conformance}${name}_expect.csv`));
    const parquet = await bench.run(resourceOf({ path: `${name}.parquet`, id: name, table: name }));
    const columns = parquet.loads[0]!.columns;
    // The CSV file writes its names with a colon or another case in places: columns go by position.
    const types = Object.fromEntries(await headerOf(name).then((names) => names.map((one, index) => [one, columns[index]!.type]))); // prettier-ignore
    const csv = await bench.run(resourceOf({ path: `${name}.csv`, id: `${name}_csv`, table: `${name}_csv`, columns: types })); // prettier-ignore
    const rows = async (table: string, of: readonly { name: string }[]): Promise<unknown[]> =>
      bench.database.query(`SELECT ARRAY[${of.map((one) => `nullif("${one.name}"::text, '')`).join(', ')}] AS v FROM demo_dev_raw.${table} ORDER BY _row_number`); // prettier-ignore
    expect(await rows(name, columns)).toEqual(await rows(`${name}_csv`, csv.loads[0]!.columns));
  },
);

async function headerOf(name: string): Promise<string[]> {
  const [line = ''] = (await readFile(`${conformance}${name}_expect.csv`, 'utf8')).split('\n', 1);
  return line.replaceAll('"', '').split(',').map((one) => one.trim()); // prettier-ignore
}

test('times of Spark, nested maps; and what DuckDB cannot read is refused with the reason', async () => {
  const load = async (name: string) => {
    await bench.write(`${name}.parquet`, await readFile(`${conformance}${name}.parquet`));
    const table = name.replaceAll('.', '_');
    return bench.run(resourceOf({ path: `${name}.parquet`, id: table, table, maxRejectedShare: 0.9 }));
  };
  await load('int96_from_spark');
  expect(await bench.rows('int96_from_spark', 'a::text')).toContainEqual({ a: '2024-01-01 20:34:56.123456' });
  await load('nested_maps.snappy');
  expect((await bench.rows('nested_maps_snappy', 'a'))[0]).toEqual({ a: { a: { 1: true, 2: false } } });
  const refusals = {
    hadoop_lz4_compressed: /Unsupported compression codec "LZ4"/,
    'byte_stream_split_extended.gzip': /BYTE_STREAM_SPLIT encoding/,
    map_no_value: /MAP_KEY_VALUE requires two children/,
    'large_string_map.brotli': /failed to allocate|memory/i,
  };
  for (const [name, message] of Object.entries(refusals))
    await expect(load(name), name).rejects.toMatchObject({
      code: 'ELT_FILE_MALFORMED',
      terminal: true,
      message: expect.stringMatching(message) as string,
    });
});

test('a file without rows is refused', async () => {
  await writeParquet('none.parquet', 'SELECT 1 AS id WHERE false');
  await expect(bench.run(resourceOf({ path: 'none.parquet', id: 'none', table: 'none' }))).rejects.toMatchObject({
    code: 'ELT_FILE_HEADER_ONLY',
  });
});

test('a double keeps all of its digits when its column becomes numeric', async () => {
  await writeParquet('whole.parquet', 'SELECT 9007199254740993::BIGINT AS v');
  await writeParquet('double.parquet', 'SELECT 0.30000000000000004::DOUBLE AS v');
  await bench.run(resourceOf({ path: '*o*le.parquet', id: 'both', table: 'both' }));
  expect(await bench.rows('both', 'v::text')).toEqual([{ v: '0.30000000000000004' }, { v: '9007199254740993' }]);
  const added = resourceOf({ path: 'double.parquet', id: 'added', table: 'added', write: 'append' });
  await bench.run(added);
  await bench.run({ ...added, path: 'whole.parquet', columns: { v: 'numeric' } }, { runId: 'run-2' });
  expect(await bench.rows('added', 'v::text')).toEqual([{ v: '0.30000000000000004' }, { v: '9007199254740993' }]);
});

test('whole numbers of a double or decimal column fit a column of whole numbers, under each contract, and others are told', async () => {
  await writeParquet('whole.parquet', `SELECT 7::BIGINT AS id, 1::BIGINT AS n`);
  await writeParquet(
    'doubles.parquet',
    `SELECT * FROM (VALUES (31::DOUBLE, 2.00::DECIMAL(9,2)), (-0.0, -3), (9007199254740992, NULL), (33.5, 4), (1e16, 5), (34, 6.5)) AS t (id, n)`,
  );
  for (const types of ['discard_row', 'evolve'] as const) {
    const of = { id: types, table: types, write: 'append', contract: { types }, maxRejectedShare: 1 } as const;
    await bench.run(resourceOf({ ...of, path: 'whole.parquet' }));
    const { loads } = await bench.run(resourceOf({ ...of, path: 'doubles.parquet' }));
    expect(loads[0]).toMatchObject(types === 'evolve' ? { rowsLoaded: 6 } : { rowsLoaded: 3, rowsRejected: 3 });
    const rows = (await bench.rows(types, 'id::text, n::text')).map(({ id, n }) => [id, n]);
    const same = [['7', '1'], ['31', '2'], ['0', '-3'], ['9007199254740992', null]]; // prettier-ignore
    expect(rows).toEqual(
      types === 'evolve' ? [...same, ['33.5', '4'], ['10000000000000000', '5'], ['34', '6.50']] : same,
    );
    const told = await bench.database.query('SELECT value FROM plumbline.rejects WHERE load_id = $1 ORDER BY row_number', [loads[0]!.loadId]); // prettier-ignore
    expect(told.map(({ value }) => value)).toEqual(types === 'evolve' ? [] : ['33.5', '1e+16', '6.50']);
  }
});

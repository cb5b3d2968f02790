import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openWorkbench, resourceOf, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

const fixtures = new URL('../../fixtures/elt/', import.meta.url);

/** Loads one file into a table of its own and gives its rows as PostgreSQL's text. */
async function load(
  name: string,
  content: string | Uint8Array,
  columns: Parameters<typeof resourceOf>[0]['columns'] = {},
) {
  const table = name.replaceAll(/\W/g, '_');
  await bench.write(name, content);
  const { loads } = await bench.run(
    resourceOf({ id: table, source: table, table, path: name, columns, maxRejectedShare: 0 }),
  );
  const { columns: loaded } = loads[0]!;
  const select = loaded.map((column) => `"${column.name.replaceAll('"', '""')}"::text`).join(', ');
  const rows = await bench.database.query<{ values: (string | null)[] }>(
    `SELECT ARRAY[${select}] AS values FROM demo_dev_raw."${table}" ORDER BY _row_number`,
  );
  return { types: loaded.map(({ type }) => type), rows: rows.map(({ values }) => values), notices: loads[0]!.notices };
}

describe('CSV', () => {
  test('infers types that hold every value exactly', async () => {
    const { types, rows } = await load(
      'types.csv',
      [
        'code,big,huge,short,long,mixed,sci,flag,day,at,zoned,clock,word,nothing',
        '000001,9007199254740993,123456789012345678901234567890,0.1,0.12345678901234567890,1,1e-7,true,2024-02-29,2024-02-29 23:59:59.123456,2024-02-29T23:59:59+05:30,23:59,a,',
        '42,-9223372036854775808,7,-2.50,1.5,2.5,NaN,FALSE,1999-12-31,2024-02-29T00:00:00,2024-01-01 00:00:00Z,00:00:01,2024-02-30,',
        '7,9223372036854775807,-8,100.25,-.5,3,-Infinity,True,0001-01-01,2024-03-01,2024-01-01 00:00:00-08,12:30:00.5,1e5,',
      ].join('\n'),
    );
    expect(types).toEqual([
      'text', 'bigint', 'numeric', 'double precision', 'numeric', 'double precision', 'double precision', 'boolean',
      'date', 'timestamp', 'timestamptz', 'time', 'text', 'text',
    ]); // prettier-ignore
    expect(rows).toEqual([
      ['000001', '9007199254740993', '123456789012345678901234567890', '0.1', '0.12345678901234567890', '1', '1e-07', 'true',
        '2024-02-29', '2024-02-29 23:59:59.123456', '2024-02-29 18:29:59+00', '23:59:00', 'a', null],
      ['42', '-9223372036854775808', '7', '-2.5', '1.5', '2.5', 'NaN', 'false',
        '1999-12-31', '2024-02-29 00:00:00', '2024-01-01 00:00:00+00', '00:00:01', '2024-02-30', null],
      ['7', '9223372036854775807', '-8', '100.25', '-0.5', '3', '-Infinity', 'true',
        '0001-01-01', '2024-03-01 00:00:00', '2024-01-01 08:00:00+00', '12:30:00.5', '1e5', null],
    ]); // prettier-ignore
  });

  test('holds declared types', async () => {
    const { rows } = await load(
      'declared.csv',
      `id;price;doc;raw;key\n1;12345678901234567890.123456789;"{""a"": [1.10, null, ""x\\ny""]}";\\xDEADBEEF;5C8A0D0E-6C4B-4D9B-8A4D-0F3C6C1C0D11\n2;-0.5;null;;\n3;;"""text""";;\n4;;1e400;;\n`,
      { price: 'numeric(38,9)', doc: 'jsonb', raw: 'bytea', key: 'uuid', id: 'text' },
    );
    expect(rows).toEqual([
      [
        '1',
        '12345678901234567890.123456789',
        '{"a": [1.10, null, "x\\ny"]}',
        '\\xdeadbeef',
        '5c8a0d0e-6c4b-4d9b-8a4d-0f3c6c1c0d11',
      ],
      ['2', '-0.500000000', 'null', null, null],
      ['3', null, '"text"', null, null],
      ['4', null, `1${'0'.repeat(400)}`, null, null],
    ]);
  });

  test('reads a byte order mark, CRLF, blank lines, semicolons and a last line without an end', async () => {
    const { rows } = await load('odd.csv', '\ufeffid;v\r\n1;"a\r\nb"\r\n\r\n2;c');
    expect(rows).toEqual([['1', 'a\r\nb'], ['2', 'c']]); // prettier-ignore
  });

  test('reads lines that end in CR alone', async () => {
    expect((await load('mac.csv', 'id,v\r1,a\r2,b\r')).rows).toEqual([['1', 'a'], ['2', 'b']]); // prettier-ignore
  });

  test('reads bare quotation marks of a tab-separated file as text', async () => {
    const { rows } = await load('bare.tsv', 'id\tname\n1\t"ACME INC\n2\tSAY "HI"\n3\tX"\n');
    expect(rows).toEqual([['1', '"ACME INC'], ['2', 'SAY "HI"'], ['3', 'X"']]); // prettier-ignore
  });

  test('reads one column, with NULLs and empty texts', async () => {
    expect((await load('one.csv', 'a\nx\n\n""\ny\n')).rows).toEqual([['x'], [null], [''], ['y']]);
  });

  test('reads values of many megabytes', async () => {
    const long = 'ä'.repeat(3_000_000);
    expect((await load('long.csv', `id,v\n1,${long}\n2,"${long}"\n`)).rows).toEqual([['1', long], ['2', long]]); // prettier-ignore
  });

  test('quotes hostile names and shortens long ones', async () => {
    const long = `${'é'.repeat(35)}`;
    const { rows, notices } = await load(
      'names.csv',
      `__proto__,"x""; drop table y;--",select,${long},,xmin,constructor\n1,2,3,4,5,6,7\n`,
    );
    expect(rows).toEqual([['1', '2', '3', '4', '5', '6', '7']]);
    expect(notices).toEqual([
      expect.stringMatching(
        /^Column "é{35}" is longer than the 63 bytes of a PostgreSQL name; it is loaded as "é{27}_[0-9a-f]{8}"\.$/,
      ),
      'Column 5 has no name; it is loaded as "column_5".',
      'Column "xmin" is a reserved name; it is loaded as "xmin_".',
    ]);
  });

  test('keeps every naughty string', async () => {
    const strings = (JSON.parse(await readFile(new URL('naughty-strings.json', fixtures), 'utf8')) as string[]).map(
      (text) => text.replaceAll('\0', ''),
    );
    const csv = strings.map((text, index) => `${index},"${text.replaceAll('"', '""')}"\n`).join('');
    const { rows } = await load('naughty.csv', `id,v\n${csv}`, { v: 'text' });
    expect(rows.map(([, v]) => v)).toEqual(strings);
    const lines = strings.map((v, id) => `${JSON.stringify({ id, v })}\n`).join('');
    expect((await load('naughty.ndjson', lines)).rows.map(([, v]) => v)).toEqual(strings);
  });
});

test('naughty strings as the names of columns, and more columns than a table can have', async () => {
  const strings = (JSON.parse(await readFile(new URL('naughty-strings.json', fixtures), 'utf8')) as string[])
    .map((text) => text.replaceAll('\0', '').trim())
    .filter((text, index, all) => text !== '' && all.indexOf(text) === index);
  const long = ['x', 'y'].map((end) => 'é'.repeat(40) + end);
  const keys = [...strings, ...long];
  const document = JSON.stringify([Object.fromEntries(keys.map((key, index) => [key, index]))]);
  const { rows } = await load('naughty-names.json', document);
  expect(rows[0]!.map(Number).sort((one, other) => one - other)).toEqual(keys.map((_, index) => index));
  const wide = Array.from({ length: 1_598 }, (_, index) => `c${index}`).join(',');
  await expect(load('wide.csv', `${wide}\n${wide}\n`)).rejects.toMatchObject({
    code: 'ELT_COLUMN_LIMIT',
    next: expect.stringContaining('jsonb') as string,
  });
});

describe('csv-spectrum', async () => {
  const names = (await readdir(new URL('csv-spectrum/', fixtures))).filter((name) => name.endsWith('.csv')).sort();
  test.each(names)('%s', async (name) => {
    const parsed = JSON.parse(
      await readFile(new URL(`csv-spectrum/${name.replace('.csv', '.json')}`, fixtures), 'utf8'),
    ) as Record<string, string> | Record<string, string>[];
    const expected = [parsed].flat();
    const keys = Object.keys(expected[0]!);
    // The JSON beside this file states another telephone number than the file.
    if (name === 'location_coordinates.csv') expected[0]!['Contact Phone Number'] = '2095257564';
    const { rows } = await load(
      name,
      await readFile(new URL(`csv-spectrum/${name}`, fixtures)),
      Object.fromEntries(keys.map((key) => [key.trim(), 'text'])),
    );
    expect(rows).toEqual(expected.map((row) => keys.map((key) => row[key])));
  });
});

describe('NDJSON', () => {
  test('keeps numbers, strings of digits, nested values and missing keys', async () => {
    const { types, rows } = await load(
      'types.ndjson',
      [
        '{"n": 9007199254740993, "d": 1234567890.123456789012, "s": "007", "o": {"a": [1.10]}, "b": true, "t": "2024-01-01T00:00:00Z", "m": 1}',
        '',
        '{"n": -1, "d": 0.1, "s": "", "o": null, "b": null, "t": null, "m": "x", "new": "later"}',
        '{"s": "\\u00e9\\n\\"", "__proto__": 5, "m": {"k": "{,}\\""}}',
      ].join('\n'),
    );
    expect(types).toEqual(['bigint', 'numeric', 'text', 'jsonb', 'boolean', 'timestamptz', 'jsonb', 'text', 'bigint']);
    expect(rows).toEqual([
      [
        '9007199254740993',
        '1234567890.123456789012',
        '007',
        '{"a": [1.10]}',
        'true',
        '2024-01-01 00:00:00+00',
        '1',
        null,
        null,
      ],
      ['-1', '0.1', '', null, null, null, '"x"', 'later', null],
      [null, null, 'é\n"', null, null, null, '{"k": "{,}\\""}', null, '5'],
    ]);
  });
});

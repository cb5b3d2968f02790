import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PipelineError } from '../../../src/errors.js';
import { openWorkbench, resourceOf, type Workbench } from './workbench.js';
import { asNormalUser } from '../../support/is-root.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

async function failure(
  path: string,
  overrides: Partial<Parameters<typeof resourceOf>[0]> = {},
): Promise<PipelineError> {
  const id = path.replaceAll(/\W/g, '_');
  try {
    await bench.run(resourceOf({ id, source: id, table: id, path, ...overrides }));
  } catch (error) {
    if (error instanceof PipelineError) {
      expect(error.terminal).toBe(true);
      expect(error.next).toMatch(/./);
      return error;
    }
    throw error;
  }
  throw new Error(`loading ${path} did not fail`);
}

describe('refuses, and says what to do,', () => {
  test('a file or glob that matches nothing', async () => {
    expect(await failure('nowhere.csv')).toMatchObject({
      code: 'ELT_FILE_MISSING',
      at: { file: 'plumbline.yaml', line: 3 },
    });
    expect(await failure('nowhere/*.csv')).toMatchObject({ code: 'ELT_FILE_MISSING' });
  });

  test('a directory', async () => {
    await mkdir(join(bench.root, 'folder.csv'));
    expect(await failure('folder.csv')).toMatchObject({ code: 'ELT_FILE_IS_DIRECTORY' });
  });

  test('a file it may not read', async () => {
    await bench.write('secret.csv', 'id\n1\n');
    await chmod(bench.root, 0o755);
    await chmod(join(bench.root, 'secret.csv'), 0);
    expect(await asNormalUser(() => failure('secret.csv'))).toMatchObject({ code: 'ELT_FILE_UNREADABLE' });
  });

  const bad: readonly (readonly [string, string, string | Uint8Array, string])[] = [
    ['an empty file', 'empty.csv', '', 'ELT_FILE_EMPTY'],
    ['an empty gzip file', 'empty.csv.gz', gzipSync(''), 'ELT_FILE_EMPTY'],
    ['an empty NDJSON file', 'empty.ndjson', '\n\n', 'ELT_FILE_EMPTY'],
    ['a header without rows', 'header.csv', 'id,v\n', 'ELT_FILE_HEADER_ONLY'],
    ['a header without rows that has quoted names', 'header2.csv', '"id\nx","v"\r\n', 'ELT_FILE_HEADER_ONLY'],
    ['UTF-32 with its mark', 'wide.csv', Buffer.from('fffe00006900000064000000', 'hex'), 'ELT_FILE_ENCODING'],
    ['UTF-16 without its mark', 'wide2.csv', Buffer.from('id,v\n1,2\n', 'utf16le'), 'ELT_FILE_ENCODING'],
    ['a picture named .csv', 'picture.csv', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), 'ELT_FILE_BINARY'],
    ['Parquet named .csv', 'parquet.csv', Buffer.from('PAR1\x15\x04'), 'ELT_FILE_BINARY'],
    ['text named .parquet', 'text.parquet', 'id,v\n1,2\n', 'ELT_FILE_MALFORMED'],
    [
      'a gzip file cut short',
      'cut.csv.gz',
      gzipSync(`id,v\n${'1,2\n'.repeat(9_000)}`).subarray(0, 60),
      'ELT_GZIP_BROKEN',
    ],
    [
      'a damaged gzip file',
      'bad.csv.gz',
      Buffer.concat([gzipSync('id,v\n1,2\n').subarray(0, 12), Buffer.from('xxxxxxxxxxxxxxxx')]),
      'ELT_GZIP_BROKEN',
    ],
    ['a name that does not tell the format', 'data.bin', 'id,v\n1,2\n', 'ELT_FORMAT_UNKNOWN'],
    ['two columns of one name', 'twice.csv', 'id,v,id\n1,2,3\n', 'ELT_COLUMN_DUPLICATE'],
    [
      'more columns than a table holds',
      'broad.csv',
      `${Array.from({ length: 1_598 }, (_, index) => `c${index}`).join()}\n${'1,'.repeat(1_597)}1\n`,
      'ELT_COLUMN_LIMIT',
    ],
  ];
  test.each(bad)('%s', async (_title, path, content, code) => {
    await bench.write(path, content);
    expect(await failure(path)).toMatchObject({ code, at: { file: path } });
    expect(await bench.stages()).toEqual([]);
  });

  test('a declared column or a key that the file does not have', async () => {
    await bench.write('some.csv', 'id,v\n1,2\n');
    expect(await failure('some.csv', { columns: { w: 'text' } })).toMatchObject({
      code: 'ELT_COLUMN_UNKNOWN',
      at: { line: 3 },
    });
    expect(await failure('some.csv', { primaryKey: ['key'] })).toMatchObject({ code: 'ELT_COLUMN_UNKNOWN' });
    expect(await failure('some.csv', { write: 'merge' })).toMatchObject({ code: 'ELT_PRIMARY_KEY_MISSING' });
  });
});

describe('quarantines', () => {
  const rejects = (loadId: string) =>
    bench.database.query(
      `SELECT row_number::int AS row, line::int AS line, column_name AS "column", value, reason, raw FROM plumbline.rejects WHERE load_id = $1 ORDER BY 1`,
      [loadId],
    );

  test('ragged rows, broken quoting, bytes that are not UTF-8 and text among numbers, with their lines', async () => {
    const good = Array.from({ length: 300 }, (_, index) => `${index},"two\nlines"`);
    const lines = Buffer.from(
      ['id,v', '1,"a\nb"', '2,x,y', '3', '4,"open', '5,"a"b', 'six,v', ...good].join('\n') + '\n',
    );
    await bench.write(
      'ragged.csv',
      Buffer.concat([lines, Buffer.from([0x37, 0x2c, 0xe9, 0x0a]), Buffer.from('8,a\0b\n')]),
    );
    const { loads, published } = await bench.run(
      resourceOf({ path: 'ragged.csv', table: 'ragged', id: 'ragged', maxRejectedShare: 0.05 }),
    );
    expect(loads[0]).toMatchObject({ rowsRead: 308, rowsLoaded: 301, rowsRejected: 7 });
    expect(loads[0]!.notices).toEqual([
      'Column "id" is read as bigint; 1 of its values is not and its row is quarantined.',
    ]);
    expect(published.rows).toBe(301);
    expect(await rejects(loads[0]!.loadId)).toEqual([
      { row: 2, line: 4, column: null, value: null, reason: 'too many fields: 3, expected 2', raw: '2,x,y' },
      { row: 3, line: 5, column: null, value: null, reason: 'too few fields: 1, expected 2', raw: '3' },
      {
        row: 4,
        line: 6,
        column: null,
        value: null,
        reason: 'text follows the closing quotation mark of a value',
        raw: '4,"open',
      },
      {
        row: 5,
        line: 7,
        column: null,
        value: null,
        reason: 'text follows the closing quotation mark of a value',
        raw: '5,"a"b',
      },
      {
        row: 6,
        line: 8,
        column: 'id',
        value: 'six',
        reason: 'expected a whole number of at most 64 bits (bigint)',
        raw: '["six","v"]',
      },
      { row: 307, line: 609, column: null, value: null, reason: 'not valid UTF-8', raw: '7,\ufffd' },
      {
        row: 308,
        line: 610,
        column: null,
        value: null,
        reason: 'holds a NUL character, which PostgreSQL cannot store',
        raw: '8,a\u2400b',
      },
    ]);
  });

  test('what no declared type holds without a change', async () => {
    await bench.write(
      'strict.csv',
      'i,n,d,t,z,b,j\n1.5,,,,,,\n,1.234,,,,,\n,,2023-02-29,,,,\n,,,2024-01-01 25:00:00,,,\n,,,,2024-01-01 00:00:00,,\n,,,,,maybe,\n,,,,,,{"a":}\n9223372036854775808,,,,,,\n,,,,,,"""\\u0000"""\n',
    );
    const { loads } = await bench.run(
      resourceOf({
        path: 'strict.csv',
        id: 'strict',
        table: 'strict',
        columns: {
          i: 'bigint',
          n: 'numeric(9,2)',
          d: 'date',
          t: 'timestamp',
          z: 'timestamptz',
          b: 'boolean',
          j: 'jsonb',
        },
        maxRejectedShare: 1,
      }),
    );
    expect(loads[0]).toMatchObject({ rowsRead: 9, rowsLoaded: 0, rowsRejected: 9 });
    const found = (await rejects(loads[0]!.loadId)) as { column: string; reason: string; line: number }[];
    expect(found.map(({ column, line }) => `${line} ${column}`)).toEqual([
      '2 i',
      '3 n',
      '4 d',
      '5 t',
      '6 z',
      '7 b',
      '8 j',
      '9 i',
      '10 j',
    ]);
    expect(found.at(-1)!.reason).toMatch(/^PostgreSQL: unsupported Unicode escape sequence/);
  });

  test('lines that are no JSON object', async () => {
    await bench.write('lines.ndjson', '{"a": 1}\n[2]\n{"a": 3\n{"a": "\\u0000"}\n{"a": 1e400}\n');
    const { loads } = await bench.run(
      resourceOf({
        path: 'lines.ndjson',
        id: 'lines',
        table: 'lines',
        columns: { a: 'double precision' },
        maxRejectedShare: 1,
      }),
    );
    expect(loads[0]).toMatchObject({ rowsRead: 5, rowsLoaded: 1, rowsRejected: 4 });
    expect(((await rejects(loads[0]!.loadId)) as { line: number }[]).map(({ line }) => line)).toEqual([2, 3, 4, 5]);
  });

  test('nothing is changed when more rows are bad than allowed, and the first ones are named', async () => {
    const resource = resourceOf({ path: 'share.csv', id: 'share', table: 'share', columns: { v: 'bigint' } });
    await bench.write('share.csv', 'id,v\n1,1\n2,2\n');
    await bench.run(resource);
    const before = await bench.rows('share');
    await bench.write('share.csv', 'id,v\n1,one\n2,2\n3,three\n');
    const error = await failure('share.csv', { id: 'share', table: 'share', columns: { v: 'bigint' } });
    expect(error).toMatchObject({ code: 'ELT_TOO_MANY_REJECTS', at: { file: 'share.csv', line: 2 } });
    expect(error.message).toBe(
      'Loading share.csv into demo_dev_raw.share stopped: 2 of its 3 rows were refused, expected at most 1 % or one. First ones: ' +
        'line 2, column "v": got "one", expected a whole number of at most 64 bits (bigint); line 4, column "v": got "three", expected a whole number of at most 64 bits (bigint).',
    );
    expect(await bench.rows('share')).toEqual(before);
    expect(await bench.stages()).toEqual([]);
    // Raising the limit is enough: the same content is read again.
    await bench.run({ ...resource, maxRejectedShare: 0.7 });
    expect(await bench.rows('share', 'id::int, v::int')).toEqual([{ id: 2, v: 2 }]);
  });

  test('rows without a key, and all but the last of equal keys', async () => {
    await bench.write('keys.csv', 'id,v\n1,a\n,b\n1,c\n2,d\n');
    const { loads, published } = await bench.run(
      resourceOf({ path: 'keys.csv', id: 'keys', table: 'keys', primaryKey: ['id'], maxRejectedShare: 0.5 }),
    );
    expect(loads[0]).toMatchObject({ rowsRead: 4, rowsLoaded: 2, rowsRejected: 1, rowsDuplicate: 1 });
    expect(published.rows).toBe(2);
    expect(await bench.rows('keys', 'id::int, v')).toEqual([{ id: 1, v: 'c' }, { id: 2, v: 'd' }]); // prettier-ignore
    expect(await rejects(loads[0]!.loadId)).toEqual([
      {
        row: 1,
        line: 2,
        column: 'id',
        value: null,
        reason: 'the primary key comes again in row 3, which is kept',
        raw: '["1", "a"]',
      },
      { row: 2, line: 3, column: 'id', value: null, reason: 'the primary key is NULL', raw: '[null, "b"]' },
    ]);
  });
});

test('a declared column that no file of several has; one that only some have is NULL in the others', async () => {
  const columns = { tip: 'numeric' } as const;
  const several = { path: 'tip-*.csv', columns, write: 'append' } as const;
  const rows = (table: string) =>
    bench.database.query(`SELECT id::int, tip::text FROM demo_dev_raw.${table} ORDER BY id`);
  await bench.write('tip-1.csv', 'id,v\n1,2\n');
  expect(await failure('tip-*.csv', several)).toMatchObject({
    code: 'ELT_COLUMN_UNKNOWN',
    message: expect.stringContaining('none of its files has such a column; they have "id", "v"') as unknown,
    at: { line: 3 },
  });
  await bench.write('tip-2.csv', 'id,v,tip\n2,2,0.10\n');
  for (const write of ['append', 'replace'] as const) {
    await bench.run(resourceOf({ ...several, id: write, source: write, table: write, write }));
    expect(await rows(write)).toEqual([{ id: 1, tip: null }, { id: 2, tip: '0.10' }]); // prettier-ignore
  }
  // One file that changes, and has lost the column that its table has.
  const one = resourceOf({ id: 'one', source: 'one', table: 'one', path: 'one.csv', columns, write: 'append' });
  await bench.write('one.csv', 'id,tip\n1,0.20\n');
  await bench.run(one);
  await bench.write('one.csv', 'id\n1\n2\n');
  await bench.run(one);
  expect(await rows('one')).toEqual([{ id: 1, tip: null }, { id: 2, tip: null }]); // prettier-ignore
  // A key of JSON that no record has this time.
  await bench.write('rare.json', '[{"id":1}]');
  const { loads } = await bench.run(resourceOf({ id: 'rare', source: 'rare', table: 'rare', path: 'rare.json', columns })); // prettier-ignore
  expect(loads[0]!.notices).toEqual([
    'There is a file without "tip", which plumbline.yaml gives a type, in any record: NULL in its rows.',
  ]);
  expect(await rows('rare')).toEqual([{ id: 1, tip: null }]);
  // One that is written otherwise is misspelt; of one that is near, the load says so.
  await bench.write('near.json', '[{"id":1,"occurredAt":"x","tips":2}]');
  expect(await failure('near.json', { columns: { occurred_at: 'text' } })).toMatchObject({
    code: 'ELT_COLUMN_UNKNOWN',
    message: expect.stringContaining('no record has it; did you mean "occurredAt"?') as unknown,
  });
  const near = await bench.run(resourceOf({ id: 'near', source: 'near', table: 'near', path: 'near.json', columns }));
  expect(near.loads[0]!.notices).toEqual([expect.stringMatching(/NULL in its rows\. Did you mean "tips"\?$/)]);
  // A key whose column has another name than itself is there, by that name.
  await bench.write('named.json', '[{"id":1," tip ":0.5,"xmin":3}]');
  await bench.run(resourceOf({ id: 'named', source: 'named', table: 'named', path: 'named.json', columns: { ...columns, xmin_: 'bigint' } })); // prettier-ignore
  expect(await rows('named')).toEqual([{ id: 1, tip: '0.5' }]);
});

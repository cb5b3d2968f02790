import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ResourceConfig } from '../../../src/model/project.js';
import { openWorkbench, resourceOf, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

/** Loads one file into a table of its own: the names of its columns, its rows as text, and the rejects' lines. */
async function load(name: string, content: string | Uint8Array, options: Partial<ResourceConfig> = {}) {
  const table = name.replaceAll(/\W/g, '_');
  await bench.write(name, content);
  const resource = resourceOf({ id: table, source: table, table, path: name, maxRejectedShare: 0.9, ...options });
  const { loads } = await bench.run(resource);
  const { columns, loadId } = loads[0]!;
  const select = columns.map((column) => `"${column.name}"::text`).join(', ');
  const rows = await bench.database.query<{ values: (string | null)[] }>(
    `SELECT ARRAY[${select}] AS values FROM demo_dev_raw."${table}" ORDER BY _row_number`,
  );
  const rejects = await bench.database.query<{ line: number; reason: string }>(
    'SELECT line::int4 AS line, reason FROM plumbline.rejects WHERE load_id = $1 ORDER BY row_number',
    [loadId],
  );
  return { names: columns.map((column) => column.name), rows: rows.map(({ values }) => values), rejects };
}

describe('csv options', () => {
  test('decimal comma and thousands, in columns of numbers only', async () => {
    const content =
      'id;price;code;note\n1;1.234,50;1.234;a,b\n2;-7,5e2;;1,5\n3;1 234,5;2.000;\n4;"0,1";3;x\n5;1.5;4;y\n6;;5.000.000;z\n';
    const { rows, rejects } = await load('decimal.csv', content, { csv: { decimal: ',', thousands: '.' }, maxRejectedShare: 0.4 }); // prettier-ignore
    expect(rows).toEqual([
      ['1', '1234.5', '1234', 'a,b'],
      ['2', '-750', null, '1,5'],
      ['4', '0.1', '3', 'x'],
      ['6', null, '5000000', 'z'],
    ]);
    const reason = 'expected a number with "," before decimals and "." between thousands';
    expect(rejects).toEqual([{ line: 4, reason }, { line: 6, reason }]); // prettier-ignore
    const declared = { csv: { thousands: ' ' }, columns: { code: 'text', n: 'bigint' } } as const;
    expect((await load('blanks.csv', 'code,n\n1 000,1\u00a0000\n007,-2 000 000\n', declared)).rows).toEqual([
      ['1 000', '1000'],
      ['007', '-2000000'],
    ]);
  });

  test('dates in the order of the file, beside numbers of the file, in columns of dates only', async () => {
    const german = { dateFormat: 'DD.MM.YYYY', decimal: ',', thousands: '.' } as const;
    const content =
      'id;day;at;version;v\n1;31.12.2024;31.12.2024 9:05;1.2.2024;1.234,5\n2;03.04.2025;03.04.2025 23:59:59.5;x;2\n3;;;;\n4;31.02.2025;;;\n5;2025-04-03;;;\n6;3.4.2025;12/31/2024;;\n7;;;;\n8;;;;\n';
    const loaded = await load('dates.csv', content, { csv: german, maxRejectedShare: 0.4 });
    expect(loaded.rows).toEqual([
      ['1', '2024-12-31', '2024-12-31 09:05:00', '1.2.2024', '1234.5'],
      ['2', '2025-04-03', '2025-04-03 23:59:59.5', 'x', '2'],
      ['3', null, null, null, null],
      ['5', '2025-04-03', null, null, null],
      ...['7', '8'].map((id) => [id, null, null, null, null]),
    ]);
    const reason = 'expected a date as DD.MM.YYYY';
    expect(loaded.rejects).toEqual([{ line: 5, reason }, { line: 7, reason }]); // prettier-ignore
    // A text that is declared stays as it is; a name of a month, and the day behind the month.
    const mon = { csv: { dateFormat: 'DD-MON-YYYY' }, columns: { b: 'text' } } as const;
    expect((await load('mon.csv', 'a,b\n29-feb-2024,29-FEB-2024\n', mon)).rows).toEqual([
      ['2024-02-29', '29-FEB-2024'],
    ]);
    const us = { csv: { dateFormat: 'MM/DD/YYYY' }, columns: { a: 'timestamp' } } as const;
    expect((await load('us.csv', 'a,b\n2/1/2024,1\n', us)).rows).toEqual([['2024-02-01 00:00:00', '1']]);
    // Where nothing says so, the error does; so it does of a line before the header.
    await expect(load('excel.csv', 'sep=;\na;b;c\n1;2;3\n')).rejects.toMatchObject({ next: expect.stringContaining('skip_lines: 1') as unknown }); // prettier-ignore
    await expect(load('unsaid.csv', 'a\n03.04.2025\n04.04.2025\n', { columns: { a: 'date' }, maxRejectedShare: 0 })).rejects.toMatchObject({ next: expect.stringContaining('`csv: { date_format: DD.MM.YYYY }`') as unknown }); // prettier-ignore
    await expect(load('unsaid.ndjson', '{"a":"03.04.2025"}\n{"a":"04.04.2025"}\n', { columns: { a: 'date' }, maxRejectedShare: 0 })).rejects.toMatchObject({ next: expect.not.stringContaining('csv') as unknown }); // prettier-ignore
  });

  test('a date as YYYY-MM-DD is one beside others, in every load', async () => {
    const of = (path: string) =>
      resourceOf({ id: 'made', source: 'made', table: 'made', path, write: 'append', csv: { dateFormat: 'DD.MM.YYYY' } }); // prettier-ignore
    await bench.write('made-1.csv', 'born;made\n31.12.1999;2025-01-02 03:04\n');
    await bench.run(of('made-1.csv'));
    await bench.write('made-2.csv', 'born;made\n1.2.2000;2025-01-03T03:04:05\n');
    expect((await bench.run(of('made-2.csv'), { runId: 'run-2' })).loads).toMatchObject([{ rowsRejected: 0 }]);
    expect(await bench.rows('made', 'born::text, made::text')).toEqual([
      { born: '1999-12-31', made: '2025-01-02 03:04:00' },
      { born: '2000-02-01', made: '2025-01-03 03:04:05' },
    ]);
  });

  test('a point between thousands is none before decimals, also where the column has both', async () => {
    const csv = { decimal: ',', thousands: '.' } as const;
    for (const values of ['1.234\n1.5', '1.5\n1.234', '1.5\n2.5\n1.234.567']) {
      await bench.write('doubtful.csv', `n;m\n${values.replaceAll('\n', ';1.5\n')};1.5\n`);
      const { loads } = await bench.run(resourceOf({ id: 'doubtful', source: 'doubtful', table: 'doubtful', path: 'doubtful.csv', csv })); // prettier-ignore
      expect(loads[0]!.columns.map(({ type }) => type)).toEqual(['text', 'double precision']);
    }
    // A declared type is that of the column, whatever blanks are around its header.
    const declared = { csv, columns: { v: 'numeric' }, maxRejectedShare: 0.01 } as const;
    expect((await load('padded.csv', ' v ;n\n1.234;x\n2.000;z\nfree;y\n', declared)).rows).toEqual([['1234', 'x'], ['2000', 'z']]); // prettier-ignore
  });

  test('what is no number or date of the file goes the way that its contract says', async () => {
    const csv = { decimal: ',', thousands: '.', dateFormat: 'DD.MM.YYYY' } as const;
    const content = 'id;n;day\n1;1.234,5;01.02.2024\n2;1.5;31.02.2024\n3;?;\n';
    const of = (types: 'freeze' | 'discard_value') => ({ csv, columns: { n: 'numeric', day: 'date' }, contract: { types } }) as const; // prettier-ignore
    await expect(load('frozen.csv', content, of('freeze'))).rejects.toMatchObject({
      code: 'ELT_CONTRACT',
      message: expect.stringContaining('line 3, column "n": got "1.5", expected a number with "," before decimals') as unknown, // prettier-ignore
    });
    const { rows, rejects } = await load('dropped.csv', content, of('discard_value'));
    expect(rows).toEqual([['1', '1234.5', '2024-02-01'], ['2', null, null], ['3', null, null]]); // prettier-ignore
    expect(rejects).toEqual([]);
    const [line] = await bench.database.query(`SELECT discarded FROM plumbline.loads WHERE resource = 'dropped_csv'`);
    expect(line).toEqual({ discarded: { n: 2, day: 1 } });
  });

  test('delimiter, quote and escape', async () => {
    const { names, rows } = await load('marks.csv', "a^b\n'x^\\'y\\\\'^2\n'\\n'^'3'\n'two\nlines'^\n", {
      csv: { delimiter: '^', quote: "'", escape: '\\' },
    });
    expect(names).toEqual(['a', 'b']);
    expect(rows).toEqual([["x^'y\\", '2'], ['\\n', '3'], ['two\nlines', null]]); // prettier-ignore
  });

  test('another quote that is doubled', async () => {
    expect((await load('doubled.csv', "a,b\n'it''s, so',\"1\n", { csv: { quote: "'" } })).rows).toEqual([
      ["it's, so", '"1'],
    ]);
  });

  test('no quote: marks are text', async () => {
    expect((await load('none.csv', 'a,b\n"x,1"\n"y",2\n', { csv: { quote: '' }, columns: { b: 'text' } })).rows).toEqual([['"x', '1"'], ['"y"', '2']]); // prettier-ignore
  });

  test('header: false takes the first line as a row', async () => {
    const { names, rows } = await load('bare.csv', '1,x\n2,y\n', { csv: { header: false } });
    expect([names, rows]).toEqual([['column_1', 'column_2'], [['1', 'x'], ['2', 'y']]]); // prettier-ignore
  });

  test('header: names for a file without one; a line of another width is quarantined', async () => {
    const { names, rows, rejects } = await load('named.csv', '1,x\n2\n3,z\n', { csv: { header: ['id', 'v'] } });
    expect([names, rows]).toEqual([['id', 'v'], [['1', 'x'], ['3', 'z']]]); // prettier-ignore
    expect(rejects).toEqual([{ line: 2, reason: 'too few fields: 1, expected 2' }]);
  });

  test('null_values: unquoted values alone', async () => {
    const { rows } = await load('null.csv', 'id,a\n1,NA\n2,"NA"\n3,\n4,-\n5,N\n', { csv: { nullValues: ['NA', '-'] } });
    expect(rows.map(([, a]) => a)).toEqual([null, 'NA', null, null, 'N']);
  });

  test('comment and skip_lines keep the lines of rejects right', async () => {
    const content = 'Report "May\n\n# made by hand, "so\nid,v\n1,2\n# more\n3\n"#4",5\n#';
    const { names, rows, rejects } = await load('report.csv', content, {
      csv: { comment: '#', skipLines: 2 },
      columns: { id: 'text' },
    });
    expect([names, rows]).toEqual([['id', 'v'], [['1', '2'], ['#4', '5']]]); // prettier-ignore
    expect(rejects).toEqual([{ line: 7, reason: 'too few fields: 1, expected 2' }]);
  });

  test('more lines to skip than the file has', async () => {
    await expect(load('short.csv', 'id\n1\n', { csv: { skipLines: 3 } })).rejects.toMatchObject({
      code: 'ELT_FILE_MALFORMED',
    });
  });

  test('.tsv is separated by tabs, whatever its text holds', async () => {
    expect((await load('words.tsv', 'text\na, b\nc, d\n')).rows).toEqual([['a, b'], ['c, d']]);
  });

  test('a changed option loads the file anew', async () => {
    await load('again.csv', 'a\nNA\nx\n');
    expect((await load('again.csv', 'a\nNA\nx\n', { csv: { nullValues: ['NA'] } })).rows).toEqual([[null], ['x']]);
  });
});

describe('encoding', () => {
  const text = 'id,v\n1,"ä\n€😀"\n2,ÿ\n3,\n';
  const expected = [['1', 'ä\n€😀'], ['2', 'ÿ'], ['3', null]]; // prettier-ignore
  const be = (content: string) => Buffer.from(content, 'utf16le').swap16();

  test('UTF-16 is known by its byte order mark, in both byte orders and packed', async () => {
    expect((await load('le.csv', Buffer.from(`\ufeff${text}`, 'utf16le'))).rows).toEqual(expected);
    expect((await load('be.csv', be(`\ufeff${text}`))).rows).toEqual(expected);
    expect((await load('le.csv.gz', gzipSync(Buffer.from(`\ufeff${text}`, 'utf16le')))).rows).toEqual(expected);
  });

  test('UTF-16 without a mark is read when it is declared', async () => {
    expect((await load('le-bare.csv', Buffer.from(text, 'utf16le'), { encoding: 'utf-16' })).rows).toEqual(expected);
    expect((await load('be-bare.csv', be(text), { encoding: 'utf-16' })).rows).toEqual(expected);
  });

  test('UTF-16 of many chunks, with pairs across their borders', async () => {
    const long = '😀'.repeat(700_000);
    const lines = `\ufeffid,v\n1,x${long}\n2,${long}\n`;
    const { rows } = await load('long.csv', Buffer.from(lines, 'utf16le'));
    expect(rows.map(([, v]) => v)).toEqual([`x${long}`, long]);
  });

  test('half a surrogate pair and half a unit are quarantined', async () => {
    const content = Buffer.concat([
      Buffer.from('\ufeffid,v\n1,a\ud800b\n2,\udc00\n3,c\n4,d', 'utf16le'),
      Buffer.of(0x41),
    ]);
    const { rows, rejects } = await load('half.csv', content);
    expect(rows).toEqual([['3', 'c']]);
    expect(rejects.map(({ line, reason }) => [line, reason])).toEqual([
      [2, 'not valid UTF-8'],
      [3, 'not valid UTF-8'],
      [5, 'not valid UTF-8'],
    ]);
  });

  test('latin-1 and windows-1252', async () => {
    const bytes = Buffer.from('id,v\n1,caf\xe9 \x80\n', 'latin1');
    expect((await load('latin.csv', bytes, { encoding: 'latin-1' })).rows).toEqual([['1', 'café \u0080']]);
    expect((await load('windows.csv', bytes, { encoding: 'windows-1252' })).rows).toEqual([['1', 'café €']]);
    // Where nothing says so, the error does.
    const next = expect.stringContaining('`encoding: windows-1252`') as unknown;
    await expect(load('rows.csv', bytes, { maxRejectedShare: 0 })).rejects.toMatchObject({ code: 'ELT_TOO_MANY_REJECTS', next }); // prettier-ignore
    const header = Buffer.from('id,caf\xe9\n1,2\n', 'latin1');
    await expect(load('header.csv', header)).rejects.toMatchObject({ code: 'ELT_FILE_MALFORMED', next });
  });

  test('NDJSON too', async () => {
    const content = Buffer.from('\ufeff{"v": "ä"}\n', 'utf16le');
    expect((await load('wide.ndjson', content)).rows).toEqual([['ä']]);
  });

  test('a file that is marked as another encoding is refused', async () => {
    const content = Buffer.from(`\ufeff${text}`, 'utf16le');
    await expect(load('other.csv', content, { encoding: 'utf-8' })).rejects.toMatchObject({
      code: 'ELT_FILE_ENCODING',
    });
  });
});

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openXlsx } from '../../../src/elt/read/open-xlsx.js';
import type { ResourceConfig } from '../../../src/model/project.js';
import { zip } from '../../support/zip.js';
import { openWorkbench, resourceOf, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

async function load(table: string, content: Uint8Array, options: Partial<ResourceConfig> = {}) {
  const path = `${table}.xlsx`;
  await bench.write(path, content);
  const { loads } = await bench.run(resourceOf({ id: table, source: table, table, path, ...options }));
  return loads[0]!;
}
const fixture = (name: string): Promise<Buffer> => readFile(`tests/fixtures/elt/xlsx/${name}.xlsx`);

test('the first visible sheet: numbers as written, dates by their format, texts as texts, formulas as computed', async () => {
  const { columns, rowsLoaded, loadId } = await load('orders', await fixture('orders'), {
    xlsx: { headerRow: 3 },
    maxRejectedShare: 0.5,
  });
  expect(columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
    'id bigint',
    'price double precision',
    'day date',
    'at timestamp',
    'clock time',
    'ok boolean',
    'name text',
    'code text',
    'total double precision',
    'hours double precision',
    '2024 bigint',
  ]);
  const rows = await bench.rows('orders', columns.map(({ name }) => `"${name}"::text`).join(', '));
  expect(rows.map((row) => columns.map(({ name }) => row[name]))).toEqual([
    ['1', '0.1', '2024-02-29', '2024-05-17 08:30:00.25', '07:05:00', 'true', 'é\n"x", _x0041_', '007', '0.2', '1.5', '3'],
    ['9007199254740991', '1234.5', '1900-03-01', '1999-12-31 23:59:59', '00:00:00', 'false', 'a bold word', '1.50', '2469', '1.5', '4'],
    ['3', '1e-07', '1900-01-01', '2024-05-17 00:00:00', '23:59:59', 'true', '', 'x', '2e-07', '1.5', '5'],
  ]); // prettier-ignore
  expect(rowsLoaded).toBe(3);
  const rejects = await bench.database.query(
    'SELECT line::int4 AS line, column_name AS column, reason FROM plumbline.rejects WHERE load_id = $1 ORDER BY row_number',
    [loadId],
  );
  expect(rejects).toEqual([
    { line: 8, column: 'price', reason: 'holds the error #DIV/0!' },
    { line: 9, column: 'day', reason: 'has the format of a date or a time, but 60 is none' },
    { line: 10, column: null, reason: 'column N has no header' },
  ]);
  // With its title taken for the header, the error says what to write.
  await expect(load('titled', await fixture('orders'))).rejects.toMatchObject({ next: expect.stringContaining('`xlsx: { header_row: 3 }`') as unknown }); // prettier-ignore
});

test('the same workbook is read anew when another part of it is asked for', async () => {
  const workbook = await fixture('orders');
  const whole = await load('parts', workbook, { xlsx: { sheet: 'Orders & Co', range: 'H3:I6' } });
  const part = await load('parts', workbook, { xlsx: { sheet: 'Orders & Co', range: 'H3:I4' } });
  expect([whole, part].map(({ status, rowsLoaded }) => [status, rowsLoaded])).toEqual([['staged', 3], ['staged', 1]]); // prettier-ignore
  expect(await bench.rows('parts', 'code')).toEqual([{ code: '007' }]);
});

test('a sheet, a part of it, the other calendar, another writer', async () => {
  const part = await load('part', await fixture('orders'), { xlsx: { sheet: 'Orders & Co', range: 'H3:I5' } });
  expect(part.rowsRead).toBe(2);
  expect(await bench.rows('part', 'code')).toEqual([{ code: '007' }, { code: '1.50' }]);
  await load('days', await fixture('days-1904'));
  expect(await bench.rows('days', 'day::text, note::text')).toEqual([
    { day: '1904-01-02', note: '1904-01-02' },
    { day: '2024-02-29', note: '2024-02-29' },
  ]);
  await load('other', await fixture('openpyxl'));
  expect((await bench.rows('other', 'day::text, at::text, price::text'))[1]).toEqual({
    day: '2023-12-30',
    at: '2024-01-01 01:30:00',
    price: '0.3',
  });
  await expect(load('none', await fixture('orders'), { xlsx: { sheet: 'Order' } })).rejects.toMatchObject({
    code: 'ELT_XLSX_SHEET',
    message: expect.stringContaining('"Notes", "Orders & Co"') as string,
  });
});

const relations = (entries: string): string =>
  `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">${entries}</Relationships>`;
function workbook(sheet: string, more: Parameters<typeof zip>[0] = []): Buffer {
  const type = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
  return zip([
    { name: '_rels/.rels', content: relations(`<Relationship Id="r1" Type="${type}/officeDocument" Target="xl/workbook.xml"/>`) },
    { name: 'xl/workbook.xml', content: `<x:workbook xmlns:x="x" xmlns:r="r"><x:sheets><x:sheet name="S" sheetId="1" r:id="r1"/></x:sheets></x:workbook>` },
    { name: 'xl/_rels/workbook.xml.rels', content: relations(`<Relationship Id="r1" Type="${type}/worksheet" Target="/xl/sheet.xml"/><Relationship Id="r2" Type="${type}/sharedStrings" Target="strings.xml"/>`) },
    { name: 'xl/sheet.xml', content: sheet },
    ...more,
  ]); // prettier-ignore
}
const sheetOf = (rows: string): string => `<worksheet><sheetData>${rows}</sheetData></worksheet>`;
const inline = (text: string): string => `<c t="inlineStr"><is><t>${text}</t></is></c>`;

test('cells without places, prefixes, readings and escapes', async () => {
  const sheet = sheetOf(`<row>${inline('a')}${inline('b')}</row>
    <row r="4"><c t="s"><v>0</v></c><c t="b"><v>1</v></c></row><row/><row><c t="str"><f>x</f><v>y&amp;_x000A_</v></c><c/></row>`);
  const strings = '<sst><si><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh></si></sst>';
  await load('bare', workbook(sheet, [{ name: 'xl/strings.xml', content: strings }]));
  expect(await bench.rows('bare', 'a, b')).toEqual([{ a: '東京', b: true }, { a: 'y&\n', b: null }]); // prettier-ignore
});

test.each([
  ['an old or encrypted workbook', Buffer.from('d0cf11e0a1b11ae1', 'hex'), 'ELT_XLSX_BROKEN'],
  ['a DOCTYPE', workbook(`<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>${sheetOf(`<row>${inline('&a;')}</row>`)}`), 'ELT_XLSX_BROKEN'],
  ['an unknown entity', workbook(sheetOf(`<row>${inline('&a;')}</row>`)), 'ELT_XLSX_BROKEN'],
  ['a text that is not there', workbook(sheetOf('<row><c t="s"><v>7</v></c></row>')), 'ELT_XLSX_BROKEN'],
  ['rows in disorder', workbook(sheetOf(`<row r="2">${inline('a')}</row><row r="1">${inline('b')}</row>`)), 'ELT_XLSX_BROKEN'],
  ['a sheet that ends early', workbook(`<worksheet><sheetData><row>${inline('a')}</row>`), 'ELT_XLSX_BROKEN'],
  ['a bomb', workbook(`<worksheet>${' '.repeat(80 << 20)}</worksheet>`), 'ELT_FILE_BOMB'],
  ['no cells', workbook(sheetOf('')), 'ELT_FILE_EMPTY'],
  ['a header only', workbook(sheetOf(`<row>${inline('a')}</row>`)), 'ELT_FILE_HEADER_ONLY'],
])('%s is refused', async (_, content, code) => {
  await expect(load('refused', content)).rejects.toMatchObject({ code, terminal: true });
}); // prettier-ignore

test('a workbook is not broken where its rows cannot be written', async () => {
  const none = join(bench.root, 'none');
  const opened = openXlsx('tests/fixtures/elt/xlsx/openpyxl.xlsx', 'openpyxl.xlsx', none);
  await expect(opened).rejects.toMatchObject({ code: 'ENOENT', path: expect.stringContaining(none) as unknown });
});

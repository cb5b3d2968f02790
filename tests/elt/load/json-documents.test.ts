import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PipelineError } from '../../../src/errors.js';
import type { ResourceConfig } from '../../../src/model/project.js';
import { readJsonDocument } from '../../../src/elt/read/json-document.js';
import { collectJsonRows } from '../../../src/elt/read/json-rows.js';
import { openWorkbench, resourceOf, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

async function load(table: string, content: string | Uint8Array, options: Partial<ResourceConfig> = {}) {
  const path = `${table}.json`;
  await bench.write(path, content);
  const { loads } = await bench.run(resourceOf({ id: table, source: table, table, path, format: 'json', ...options }));
  return loads[0]!;
}

/** The texts of a document's records, read in pieces of `size` bytes. */
function records(content: Buffer | string, path: string[] = [], size = 7): string[] {
  const found: string[] = [];
  const document = readJsonDocument({ file: 'a.json', path, onRecord: ({ bytes, start, end }) => found.push(bytes.toString('utf8', start, end)) }); // prettier-ignore
  const bytes = Buffer.from(content);
  for (let start = 0; start < bytes.length; start += size) document.push(bytes.subarray(start, start + size));
  document.end();
  return found;
}
const codeOf = (work: () => unknown): string => {
  try {
    work();
    return 'accepted';
  } catch (error) {
    return (error as PipelineError).code;
  }
};

test('the same document is read anew when its records are said to be elsewhere', async () => {
  const content = '{"orders": [{"id": 1}], "people": [{"id": 2}]}';
  for (const [place, id] of [['orders', '1'], ['people', '2']] as const) {
    await load('places', content, { records: [place] });
    expect(await bench.rows('places', 'id')).toEqual([{ id }]);
  }
}); // prettier-ignore

test('numbers keep every digit, and rows their lines, wherever the list is', async () => {
  const content = `\ufeff{
  "meta": {"data": {"items": [{"no": 1}]}, "items": []},
  "data": {
    "next": "x", "items": [
      {"id": 9007199254740993, "price": 0.10000000000000000001, "tags": ["a", {"items": 1}], "at": null},
      {"id": 2,
       "price": 1e2, "name": "line\\n\\u00e9 \\ud83d\\ude00"},
      7,
      {"id": 3, "price": 1, "name": "half \\ud800"}
    ]
  }, "after": [true]
}`;
  const { rowsLoaded, rowsRejected } = await load('orders', gzipSync(content), { records: ['data', 'items'], maxRejectedShare: 0.6 }); // prettier-ignore
  expect({ rowsLoaded, rowsRejected }).toEqual({ rowsLoaded: 2, rowsRejected: 2 });
  expect(await bench.rows('orders', 'id::text, price::text, tags, name, at')).toEqual([
    { id: '9007199254740993', price: '0.10000000000000000001', tags: ['a', { items: 1 }], name: null, at: null },
    { id: '2', price: '100', tags: null, name: 'line\né 😀', at: null },
  ]);
  const rejects = await bench.database.query('SELECT line::int4, reason FROM plumbline.rejects ORDER BY row_number');
  expect(rejects).toEqual([
    { line: 8, reason: 'not a JSON object: expected a JSON object, got 7' },
    { line: 9, reason: 'holds a NUL character or half a surrogate pair, which PostgreSQL cannot store' },
  ]);
});

test('a document is a list, or one record; a .json file without a format may also be lines', async () => {
  expect((await load('list', '[{"a":1},{"a":2}]', { format: 'auto' })).rowsRead).toBe(2);
  expect((await load('one', '{\n"a": {"b": 1}\n}', { format: 'auto' })).rowsRead).toBe(1);
  expect((await load('lines', '{"a":1}\n{"a":2}\n{"a":3}\n', { format: 'auto' })).rowsRead).toBe(3);
  await expect(load('none', '{"data": []}', { records: ['data'] })).rejects.toMatchObject({ code: 'ELT_FILE_EMPTY' });
  await expect(load('none', '{"data": {"rows": 1}}', { records: ['data', 'items'] })).rejects.toMatchObject({
    code: 'ELT_JSON_RECORDS',
    message: expect.stringContaining('data.items is nothing') as string,
  });
  for (const columns of [{}, { tip: 'numeric' }] as ResourceConfig['columns'][])
    await expect(load('none', '[{},{}]', { columns })).rejects.toMatchObject({ code: 'ELT_JSON_RECORDS' });
  await expect(load('none', '[{"a":1},\n {"a":01}]')).rejects.toMatchObject({
    code: 'ELT_JSON_SYNTAX',
    terminal: true,
    at: { file: 'none.json', line: 2, column: 8 },
  });
});

test('the JSON test suite: what is JSON is accepted, what is not is refused with its place', async () => {
  const suite = JSON.parse(await readFile('tests/fixtures/elt/json-test-suite.json', 'utf8')) as Record<string, string>;
  const wrong: string[] = [];
  const implementationDefined: Record<string, string> = {};
  for (const [name, base64] of Object.entries(suite)) {
    const content = Buffer.from(base64, 'base64');
    for (const size of [1, 64]) {
      // Around it, so that plain values are accepted too: they are rows that are no objects.
      const wrapped = Buffer.concat([Buffer.from('['), content, Buffer.from(']')]);
      const code = codeOf(() => records(/^n_s(tructure|ingle)/.test(name) ? content : wrapped, [], size));
      if (name.startsWith('y_') && code !== 'accepted') wrong.push(`${name}: ${code}`);
      if (name.startsWith('n_') && code === 'accepted') wrong.push(`${name}: ${code}`);
      if (name.startsWith('i_')) implementationDefined[name] = code;
    }
  }
  expect(wrong).toEqual([]);
  // Numbers of any size, lone surrogates and bytes that are no UTF-8 pass here: a row is quarantined, not the file refused.
  const refused = Object.entries(implementationDefined).filter(([, code]) => code !== 'accepted').map(([name]) => name); // prettier-ignore
  expect(refused).toEqual([
    // Encodings and byte order marks are undone before.
    'i_string_UTF-16LE_with_BOM',
    'i_string_utf16BE_no_BOM',
    'i_string_utf16LE_no_BOM',
    'i_structure_UTF-8_BOM_empty_object',
  ]);
  const rows = collectJsonRows('x.json');
  const invalid = Object.keys(implementationDefined).filter((name) => /^i_string_/.test(name) && !refused.includes(name)); // prettier-ignore
  for (const name of invalid) {
    const bytes = Buffer.concat([Buffer.from('{"a":'), Buffer.from(suite[name]!, 'base64'), Buffer.from('}')]);
    rows.take({ bytes, start: 0, end: bytes.length, line: 1 });
  }
  expect(rows.scan().faults).toHaveLength(invalid.length);
});

test('what is too deep, or does not end, is refused at once and in little memory', () => {
  expect(codeOf(() => records('['.repeat(100_000), [], 65_536))).toBe('ELT_JSON_SYNTAX');
  expect(codeOf(() => records('[{"":'.repeat(50_000), [], 65_536))).toBe('ELT_JSON_SYNTAX');
  expect(codeOf(() => records(`[${'['.repeat(10_000)}${']'.repeat(10_000)}]`))).toBe('ELT_JSON_SYNTAX');
  expect(records(`[{"a":${'['.repeat(900)}${']'.repeat(900)}}]`)).toHaveLength(1);
  expect(codeOf(() => records('{"a":[{}],"a":[{}]}', ['a']))).toBe('ELT_JSON_SYNTAX');
  const document = readJsonDocument({ file: 'a.json', path: [], onRecord: () => undefined });
  document.push(Buffer.from('{"data":"'));
  const more = Buffer.alloc(1 << 20, 'x');
  expect(codeOf(() => { for (let mib = 0; mib < 65; mib++) document.push(more); })).toBe('ELT_JSON_SYNTAX'); // prettier-ignore
});

test('records of as many keys as a table has columns fit into memory', async () => {
  const keys = 1_595;
  const record = Object.fromEntries(Array.from({ length: keys }, (_, key) => [`k${key}`, key === 7 ? 'x' : null]));
  await bench.write('wide.ndjson', `${JSON.stringify(record)}\n`);
  const { published, loads } = await bench.run(resourceOf({ path: 'wide.ndjson', id: 'wide', table: 'wide' })); // prettier-ignore
  expect(published.rows).toBe(1);
  expect(loads[0]!.columns).toHaveLength(keys);
});

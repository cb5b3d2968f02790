import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PipelineError } from '../../../src/errors.js';
import { readJsonDocument } from '../../../src/elt/read/json-document.js';
import { collectJsonRows, holdsUnstorable, type JsonScan } from '../../../src/elt/read/json-rows.js';
import { jsonMembers } from '../../../src/elt/read/ndjson-line.js';
import { scanJson } from '../../../src/elt/read/scan-json.js';
import { scanNdjson } from '../../../src/elt/read/scan-ndjson.js';
import { ObjectPlaces, PLACES, scanObject } from '../../../src/elt/read/scan-object.js';

const seed = Number(process.env['PLUMBLINE_TEST_SEED'] ?? Date.now() % 2 ** 31);

/** JSON texts, most of them of objects, printed in several ways; some of them with a character taken out, changed or added. */
const texts = fc
  .tuple(
    fc.oneof(
      { weight: 9, arbitrary: fc.dictionary(fc.string({ maxLength: 3 }), fc.jsonValue({ maxDepth: 4 })) },
      { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 4 }) },
    ),
    fc.constantFrom(undefined, 1, '\t', '\r\n'),
    fc.constantFrom('', '', '"x":1,', '"a\\u0041":[1E+5,-0.5e-7,{}],', '"n":9007199254740993,"n":"\\ud83d\\ude00",', '"\\u0000":1,', '"h":["\\ud800"],', '"é":"\\/\\b\\f",'),
    fc.option(fc.tuple(fc.nat(), fc.constantFrom('', '"', '\\', '{', '}', '[', ']', ',', ':', '0', '-', '.', 'e', 'u', 't', '\n', '\u0001', ' ', 'é', '\u00a0'), fc.nat(1)), { freq: 3 }),
  )
  .map(([value, indent, front, change]) => {
    let text = JSON.stringify(value, null, indent);
    if (text.startsWith('{"')) text = `{${front}${text.slice(1)}`;
    if (change === null) return text;
    const at = change[0] % text.length;
    return text.slice(0, at) + change[1] + text.slice(at + change[2]);
  }); // prettier-ignore

test('an object is one where JSON.parse says so, and its members are where they are', () => {
  const places = new ObjectPlaces();
  let objects = 0;
  for (const text of fc.sample(texts, { numRuns: 4_000, seed })) {
    const bytes = Buffer.from(` ${text},`);
    const end = scanObject(bytes, 1, places);
    let members;
    try {
      members = jsonMembers(text);
    } catch {
      members = undefined;
    }
    // JSON.parse takes blanks around it, and has to have it all.
    const isWhole = end !== -1 && bytes.toString('utf8', end, bytes.length - 1).trim() === '';
    expect(isWhole && text[0] === '{', `seed ${seed}: ${JSON.stringify(text)}`).toBe(
      members !== undefined && text[0] === '{',
    );
    if (!isWhole || members === undefined) continue;
    objects++;
    const found = new Map<string, string>();
    for (let at = 0; at < places.count * PLACES; at += PLACES) {
      const [keyStart, keyEnd, start, behind] = places.at.subarray(at, at + PLACES) as unknown as number[];
      found.set(JSON.parse(bytes.toString('utf8', keyStart, keyEnd)) as string, bytes.toString('utf8', start, behind));
    }
    expect([...found], `seed ${seed}: ${JSON.stringify(text)}`).toEqual(
      members.map(({ key, source }) => [key, source]),
    );
    expect(places.lines).toBe(bytes.subarray(0, end).toString().split('\n').length - 1);
    expect(places.isAscii).toBe(!/[^\0-\u007f]/.test(text));
    if (holdsUnstorable(text)) expect(places.hasUnstorable, JSON.stringify(text)).toBe(true);
  }
  expect(objects).toBeGreaterThan(1_500);
});

test('a document is the same read in one piece, in pieces and byte by byte, and so is what is wrong with it', () => {
  const read = (bytes: Buffer, size: number): unknown => {
    const rows: unknown[] = [];
    const scan = collectJsonRows('x.json', (row) =>
      rows.push([...row.kinds].flatMap((kind, column) => (kind === 0 ? [] : [[column, kind, row.bytes.toString('utf8', row.starts[column], row.ends[column])]]))),
    ); // prettier-ignore
    const document = readJsonDocument({ file: 'a.json', path: ['rows'], onRecord: scan.take });
    try {
      for (let start = 0; start < bytes.length; start += size) document.push(bytes.subarray(start, start + size));
      document.end();
    } catch (error) {
      const { code, message, at } = error as PipelineError;
      return { rows, code, message, at };
    }
    const { keys, faults, lines } = scan.scan();
    return { rows, keys: [...keys], faults, lines: rows.map((_, index) => lines.lineOf(index + 1)) };
  };
  let accepted = 0;
  for (const records of fc.sample(fc.array(texts, { minLength: 1, maxLength: 4 }), { numRuns: 600, seed })) {
    const bytes = Buffer.from(`{"before": {"rows": [1]},\n"rows": [${records.join(',\n ')} ]\n}`);
    const whole = read(bytes, bytes.length);
    for (const size of [1, 17]) expect(read(bytes, size), `seed ${seed}: ${JSON.stringify(records)}`).toEqual(whole);
    if (!Object.hasOwn(whole as object, 'code')) accepted++;
  }
  expect(accepted).toBeGreaterThan(60);
  // As deep as a document may be, the two levels around it included.
  const nested = (levels: number): Buffer => Buffer.from(`{"rows":[{"a":${'['.repeat(levels)}${']'.repeat(levels)}}]}`);
  for (const levels of [997, 998])
    for (const size of [1, 1 << 20])
      expect(Object.hasOwn(read(nested(levels), size) as object, 'code'), `${levels} levels`).toBe(levels === 998);
});

test('records with keys of their own, deep ones and long ones that are none cost little: a failure or a fault says so', async () => {
  const scan = (text: string): Promise<JsonScan> =>
    scanNdjson({ path: '', file: 'a.ndjson', compression: 'none', encoding: 'utf-8', content: Buffer.from(text) });
  const ids = Array.from({ length: 2_000 }, (_, row) => `{"k${row}": 1}`);
  // Each row would have a value of each key on disk before their number was looked at.
  await expect(scan(ids.join('\n'))).rejects.toMatchObject({ code: 'ELT_COLUMN_LIMIT' });
  const bytes = Buffer.from(`[${ids.join(',')}]`);
  const list = { path: '', file: 'a.json', compression: 'none', encoding: 'utf-8', content: bytes } as const;
  await expect(scanJson(list, [])).rejects.toMatchObject({ code: 'ELT_COLUMN_LIMIT' });
  // Of a file that is no JSON each line would be kept as a fault.
  await expect(scan('1;2\n'.repeat(20_000))).rejects.toMatchObject({ code: 'ELT_FILE_MALFORMED' });
  expect((await scan(`{"a":1}\n${'1;2\n'.repeat(20_000)}`)).faults).toHaveLength(20_000);
  const deep = (text: string): string => `{"a":${'['.repeat(50_000)}${text}${']'.repeat(50_000)}}`;
  const { rows, faults } = await scan([deep('"\\u0000"'), deep('"\\ud83d\\ude00"'), deep('"\\\\u0000"'), '['.repeat(2 << 20)].join('\n'));
  expect(rows).toBe(4);
  expect(faults.map(({ row, column, reason }) => [row, column, reason])).toEqual([
    [1, 'a', 'holds a NUL character or half a surrogate pair, which PostgreSQL cannot store'],
    [4, null, 'not a JSON object'],
  ]);
}); // prettier-ignore

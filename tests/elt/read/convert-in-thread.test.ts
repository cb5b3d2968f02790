import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { convertCsv } from '../../../src/elt/read/convert-csv.js';
import { convertInThread } from '../../../src/elt/read/convert-in-thread.js';
import { byteSource, type ByteSource } from '../../../src/elt/read/open-bytes.js';
import type { ChunkOptions, RowChunk } from '../../../src/elt/read/row-chunk.js';
import { scanCsv, type CsvScan } from '../../../src/elt/read/scan-csv.js';
import type { LoadColumn } from '../../../src/elt/schema/column.js';

const ROWS = 20_000;
const columns: readonly LoadColumn[] = [
  { name: 'id', header: 'id', type: 'bigint' },
  { name: 'note', header: 'note', type: 'text' },
  { name: 'day', header: 'day', type: 'date' },
];
const refused = new Map([
  [7_000, { row: 7_000, line: null, column: 'note', value: 'x', reason: 'PostgreSQL: no', raw: 'x' }],
]);
const options: ChunkOptions = { file: 'rows.csv', fromRow: 11, maxRows: 3_000, format: 'binary', refused };

let folder: string;
let source: ByteSource;
let scan: CsvScan;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plumbline-thread-'));
  const path = join(folder, 'rows.csv');
  // Values of two lines, so that rows and lines part; a value in a thousand is no date.
  const record = (row: number): string =>
    `${row},${row % 3 === 0 ? '' : `"a\nb ""${row}"""`},${row % 1_000 === 0 ? 'soon' : '2024-02-29'}\n`;
  await writeFile(path, `id,note,day\n${Array.from({ length: ROWS }, (_, index) => record(index + 1)).join('')}`);
  source = await byteSource(path, 'rows.csv');
  scan = await scanCsv(source);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let running = 0;
let started = 0;
const onThread = (thread: Worker): void => {
  running++;
  started++;
  thread.once('exit', () => running--);
};
beforeAll(() => void process.on('worker', onThread));
afterAll(() => void process.off('worker', onThread));

async function all(chunks: AsyncGenerator<RowChunk>): Promise<RowChunk[]> {
  const found: RowChunk[] = [];
  for await (const chunk of chunks) found.push(copyOf(chunk));
  return found;
}
/** Blocks are lent. */
const copyOf = (chunk: RowChunk): RowChunk => ({ ...chunk, blocks: chunk.blocks.map((block) => Buffer.from(block)) });

it('gives what is given without a thread', async () => {
  const chunks = convertInThread(source, scan, columns, options);
  const first = await chunks.next();
  expect(running).toBe(1);
  const found = [copyOf(first.value as RowChunk), ...(await all(chunks))];
  expect(isDeepStrictEqual(found, await all(convertCsv(source, scan, columns, options)))).toBe(true);
  expect(found).toHaveLength(7);
  expect(found.flatMap(({ faults }) => faults).find(({ row }) => row === 2_000)).toMatchObject({
    line: 3_334,
    column: 'day',
    value: 'soon',
  });
});

it('keeps one thread for the next file, and starts another when that one is at work', async () => {
  const before = started;
  const once = await all(convertInThread(source, scan, columns, options));
  expect(started).toBe(before);
  const two = [1, 2].map(() => all(convertInThread(source, scan, columns, options)));
  for (const chunks of await Promise.all(two)) expect(isDeepStrictEqual(chunks, once)).toBe(true);
  expect(started).toBe(before + 1);
  expect(running).toBe(1);
});

it('takes the blocks of a chunk back when the one after the next is asked for', async () => {
  const chunks = convertInThread(source, scan, columns, options);
  const [first, second] = [await chunks.next(), await chunks.next()].map(({ value }) => value as RowChunk);
  const before = first!.blocks.map(({ byteLength }) => byteLength);
  expect(Math.min(...before)).toBeGreaterThan(0);
  await chunks.next();
  expect(first!.blocks.map(({ byteLength }) => byteLength)).toEqual(before.map(() => 0));
  expect(second!.blocks[0]!.byteLength).toBeGreaterThan(0);
  await chunks.return(undefined);
});

it('fails as without a thread, and ends when nobody wants more', async () => {
  await expect(all(convertInThread(source, { ...scan, rows: ROWS + 1 }, columns, options))).rejects.toMatchObject({
    code: 'ELT_FILE_MALFORMED',
    terminal: true,
  });
  for await (const chunk of convertInThread(source, scan, columns, options)) {
    expect(chunk.fromRow).toBe(11);
    break;
  }
  const cancel = new AbortController();
  const chunks = convertInThread(source, scan, columns, { ...options, signal: cancel.signal });
  await chunks.next();
  const next = chunks.next();
  cancel.abort(new Error('stopped'));
  await expect(next).rejects.toThrow();
  expect(running).toBe(0);
});

it('a chunk has fewer rows where long ones of them are refused', async () => {
  const path = join(folder, 'long.csv');
  const rows = 5_000;
  await writeFile(path, `id,note,day\n${`1,${'x'.repeat(9_000)},soon\n`.repeat(rows)}`);
  const long = await byteSource(path, 'long.csv');
  const chunks = await all(convertCsv(long, await scanCsv(long), columns, { ...options, fromRow: 1, maxRows: 50_000 }));
  expect(chunks.flatMap(({ faults }) => faults)).toHaveLength(rows);
  expect(Math.max(...chunks.map(({ faults }) => faults.length))).toBeLessThan(2_000);
});

import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { byteSource, openBytes } from '../../../src/elt/read/open-bytes.js';
import { fileFormat } from '../../../src/elt/read/file-format.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plumbline-zstd-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function unpacked(content: Buffer): Promise<Buffer> {
  const path = join(folder, 'a.csv.zst');
  await writeFile(path, content);
  const chunks: Buffer[] = [];
  for await (const chunk of openBytes(await byteSource(path, 'a.csv.zst'))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A frame of nothing. */
const EMPTY = Buffer.from('28b52ffd2000010000', 'hex');
/** A block of 128 KiB of one byte. */
const BLOCK = Buffer.from('28b52ffda00000020003001078', 'hex');
/** `zstd -19 --no-check` of "id,v\n1,x\n": one raw block. */
const SMALL = Buffer.from('28b52ffd2009490000' + Buffer.from('id,v\n1,x\n').toString('hex'), 'hex');

test('its ending tells the format of what is packed', () => {
  expect(fileFormat('auto', 'data/A.CSV.ZST', Buffer.alloc(0))).toBe('csv');
});

// On a Node.js before 22.15 these show libzstd as WebAssembly, on a newer one Node's own.
const fixture = (name: string): Buffer => readFileSync(new URL(`../../fixtures/elt/zstd/${name}`, import.meta.url));
/** `zstd -19 --check` of these lines; of 80 MiB of zeros. */
const PACKED = fixture('lines.csv.zst');
const ZEROS = fixture('zeros.zst');
const lines = Array.from({ length: 20_000 }, (_, row) => `${row},${(row * 7919) % 1000}\n`).join('');
const note = Buffer.from('502a4d18030000006e6f77', 'hex');

test('all frames are read, and what stands between them is passed over', async () => {
  expect((await unpacked(SMALL)).toString()).toBe('id,v\n1,x\n');
  expect((await unpacked(BLOCK)).equals(Buffer.alloc(1 << 17, 'x'))).toBe(true);
  const content = await unpacked(Buffer.concat([note, SMALL, PACKED, note, PACKED, EMPTY, SMALL]));
  expect(content.equals(Buffer.from(`id,v\n1,x\n${lines}${lines}id,v\n1,x\n`))).toBe(true);
});

const changed =
  (at: number) =>
  (whole: Buffer): Buffer => {
    const damaged = Buffer.from(whole);
    damaged[Math.floor((damaged.length - 1) * at)]! ^= 0x55;
    return damaged;
  };
test.each<[string, (whole: Buffer) => Buffer, string]>([
  ['cut in a block', (whole) => whole.subarray(0, whole.length / 2), 'it ends in the middle of a frame'],
  ['cut in its checksum', (whole) => whole.subarray(0, -2), 'it ends in the middle of a frame'],
  ['cut behind its first bytes', (whole) => whole.subarray(0, 5), 'it ends in the middle of a frame'],
  ['cut in the second frame', (whole) => Buffer.concat([whole, whole.subarray(0, 500)]), 'it ends in the middle'],
  ['changed', changed(0.5), 'the data is damaged (ZSTD_'],
  ['changed in its checksum', changed(1), 'the data is damaged (ZSTD_'],
  ['followed by something else', (whole) => Buffer.concat([whole, Buffer.from('and more')]), 'no Zstandard frame'],
])('a file that is %s is refused', async (_, spoil, message) => {
  const error = { code: 'ELT_ZSTD_BROKEN', message: expect.stringContaining(message) as unknown };
  await expect(unpacked(spoil(PACKED))).rejects.toMatchObject(error);
});

test('a file that would fill the disk is stopped', async () => {
  await expect(unpacked(ZEROS)).rejects.toMatchObject({ code: 'ELT_FILE_BOMB' });
});

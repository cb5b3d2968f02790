import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import zlib from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { byteSource, openBytes } from '../../../src/elt/read/open-bytes.js';
import { fileFormat } from '../../../src/elt/read/file-format.js';
import { canUnpackZstd } from '../../../src/elt/read/unpack-zstd.js';

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

/** `zstd -19 --no-check` of "id,v\n1,x\n": one raw block. */
const SMALL = Buffer.from('28b52ffd2009490000' + Buffer.from('id,v\n1,x\n').toString('hex'), 'hex');

test('its ending tells the format of what is packed', () => {
  expect(fileFormat('auto', 'data/A.CSV.ZST', Buffer.alloc(0))).toBe('csv');
});

test.skipIf(canUnpackZstd())('an old Node.js is named', async () => {
  const error = `it is packed with Zstandard, and the worker runs on Node.js ${process.versions.node}; expected 22.15 or later`;
  await expect(unpacked(SMALL)).rejects.toMatchObject({ code: 'ELT_ZSTD_NODE', message: expect.stringContaining(error) as unknown }); // prettier-ignore
});

describe.runIf(canUnpackZstd())('zstd', () => {
  const pack = (content: string): Buffer => {
    const { ZSTD_c_checksumFlag: checksum, ZSTD_c_contentSizeFlag: size } = zlib.constants;
    return zlib.zstdCompressSync(content, { params: { [checksum]: 1, [size]: 1 } });
  };
  const lines = Array.from({ length: 200_000 }, (_, row) => `${row},${(row * 7919) % 1000}\n`).join('');
  const note = Buffer.from('502a4d18030000006e6f77', 'hex');

  test('all frames are read, and what stands between them is passed over', async () => {
    expect((await unpacked(SMALL)).toString()).toBe('id,v\n1,x\n');
    const content = await unpacked(Buffer.concat([note, pack('id,v\n'), pack(''), note, pack(lines), pack('7,7\n')]));
    expect(content.equals(Buffer.from(`id,v\n${lines}7,7\n`))).toBe(true);
  });

  const changed = (whole: Buffer): Buffer => {
    const damaged = Buffer.from(whole);
    damaged[Math.floor(damaged.length / 2)]! ^= 0x55;
    return damaged;
  };
  test.each<[string, (whole: Buffer) => Buffer, string]>([
    ['cut in a block', (whole) => whole.subarray(0, whole.length / 2), 'it ends in the middle of a frame'],
    ['cut in its checksum', (whole) => whole.subarray(0, -2), 'it ends in the middle of a frame'],
    ['cut behind its first bytes', (whole) => whole.subarray(0, 5), 'it ends in the middle of a frame'],
    ['cut in the second frame', (whole) => Buffer.concat([whole, whole.subarray(0, 500)]), 'it ends in the middle'],
    ['changed', changed, 'the data is damaged (ZSTD_'],
    ['followed by something else', (whole) => Buffer.concat([whole, Buffer.from('and more')]), 'no Zstandard frame'],
  ])('a file that is %s is refused', async (_, spoil, message) => {
    const error = { code: 'ELT_ZSTD_BROKEN', message: expect.stringContaining(message) as unknown };
    await expect(unpacked(spoil(pack(lines)))).rejects.toMatchObject(error);
  });

  test('a file that would fill the disk is stopped', async () => {
    await expect(unpacked(zlib.zstdCompressSync(Buffer.alloc(80 << 20)))).rejects.toMatchObject({ code: 'ELT_FILE_BOMB' }); // prettier-ignore
  });
});

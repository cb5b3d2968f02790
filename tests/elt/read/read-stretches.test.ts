import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readStretches } from '../../../src/elt/read/read-stretches.js';
import type { ByteSource } from '../../../src/elt/read/open-bytes.js';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'plumbline-stretches-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

const content = randomBytes(5_000_000);
const plain = { file: 'rows.csv', compression: 'none', encoding: 'utf-8' } as const;

async function fileOf(name: string, bytes: Buffer): Promise<string> {
  await writeFile(join(folder, name), bytes);
  return join(folder, name);
}

/** What was taken of a source by a reader that leaves so many bytes of each stretch in turn, all of them at most. */
async function taken(source: ByteSource, rests: readonly number[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  let left = 0;
  let turn = 0;
  for await (const { bytes, isLast } of readStretches(source, () => left)) {
    left = isLast ? 0 : Math.min(rests[turn++ % rests.length]!, bytes.length);
    parts.push(Buffer.from(bytes.subarray(0, bytes.length - left)));
  }
  return Buffer.concat(parts);
}

it.each([[[0]], [[1, 70_000, 0, 65_536, 2_000_000]], [[Infinity]]])(
  'gives what is left over again: %j',
  async (rests) => {
    const path = await fileOf('whole', content);
    expect((await taken({ ...plain, path }, rests)).equals(content)).toBe(true);

    const parts = [content.subarray(0, 1_500_000), Buffer.alloc(0), content.subarray(1_500_000)];
    const [first, ...further] = await Promise.all(parts.map((part, index) => fileOf(`part-${index}`, part)));
    expect((await taken({ ...plain, path: first!, further }, rests)).equals(content)).toBe(true);

    const packed: ByteSource = { ...plain, compression: 'gzip', path: await fileOf('packed', gzipSync(content)) };
    expect((await taken(packed, rests)).equals(content)).toBe(true);
  },
);

import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SharedStore } from '../../src/model/artifact.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';

let root: string;
let store: SharedStore;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'plumbline-store-'));
  store = openDirectoryStore(root);
});
afterAll(() => rm(root, { recursive: true, force: true }));

const condemned = (sha256: string): string => join(root, 'condemned', sha256);
/** As a sweep that was killed in the middle leaves it. */
async function moveAside(sha256: string): Promise<void> {
  const path = await store.localPath(sha256);
  await mkdir(dirname(condemned(sha256)), { recursive: true });
  await rename(path, condemned(sha256));
}

test('a local file comes with its content where that is little, and only as it was put', async () => {
  const [small, large, empty] = [Buffer.from('id\n1\n'), Buffer.alloc(1 << 18, 'x'), Buffer.alloc(0)];
  for (const content of [small, empty]) {
    const { sha256, bytes } = await store.put(content);
    expect(bytes).toBe(content.length);
    expect((await store.localFile(sha256)).content).toEqual(content);
  }
  const { sha256 } = await store.put(large);
  const { path, content } = await store.localFile(sha256);
  expect(content).toBeUndefined();
  expect(await readFile(path)).toEqual(large);
  const altered = await store.put(Buffer.from('one'));
  await writeFile(await store.localPath(altered.sha256), 'two');
  await expect(store.localFile(altered.sha256)).rejects.toMatchObject({ code: 'STORE_HASH_MISMATCH' });
  const never = createHash('sha256').update('never put').digest('hex');
  await expect(store.localFile(never)).rejects.toMatchObject({ code: 'STORE_OBJECT_MISSING' });
  expect(await readdir(join(root, 'incoming'))).toEqual([]);
});

test('what a killed sweep has moved aside is brought back, or put anew beside it', async () => {
  const content = Buffer.from('id\n2\n');
  const { sha256 } = await store.put(content);
  await moveAside(sha256);
  expect((await store.localFile(sha256)).content).toEqual(content);
  await moveAside(sha256);
  expect(await store.put(content)).toEqual({ sha256, bytes: content.length });
  expect(await store.read(sha256)).toEqual(content);
  const listed = [];
  for await (const object of store.list()) if (object.sha256 === sha256) listed.push(object.bytes);
  expect(listed).toEqual([content.length]);
  expect(await readdir(join(root, 'condemned'))).toEqual([]);
});

test('what a killed writer left of an object is not taken for it, however it is put', async () => {
  const puts = [(content: Buffer) => store.put(content), (content: Buffer) => store.put(Readable.from([content]))];
  for (const [index, put] of puts.entries()) {
    const content = Buffer.from(`id\n${index}3\n`);
    const { sha256 } = await store.put(content);
    const path = await store.localPath(sha256);
    for (const left of ['', 'id\n', 'id\nxx\n']) {
      await writeFile(path, left);
      expect(await store.has(sha256)).toBe(false);
      expect(await put(content)).toEqual({ sha256, bytes: content.length });
      expect(await store.read(sha256)).toEqual(content);
      expect(await store.has(sha256)).toBe(true);
      // Nor does it cost the whole one that a sweep brings back.
      await moveAside(sha256);
      await writeFile(path, left);
      for await (const _ of store.list());
      expect(await store.read(sha256)).toEqual(content);
    }
    const former = (await stat(path)).ino;
    await utimes(path, 1, 1);
    await store.put(content);
    expect(await stat(path)).toMatchObject({ ino: former });
    expect((await stat(path)).mtimeMs).toBeGreaterThan(1_000_000);
  }
  expect(await readdir(join(root, 'incoming'))).toEqual([]);
});

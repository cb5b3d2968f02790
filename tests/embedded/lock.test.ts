import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { withLock } from '../../src/embedded/lock.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plumbline-lock-'));
});
afterEach(() => rm(folder, { recursive: true }));

it.each(['', '{"pid":'])('takes over a lock that a power cut left with the content %j', async (content) => {
  await writeFile(join(folder, 'lock'), content);
  expect(await withLock(folder, { timeoutMs: 10_000 }, async () => 'done')).toBe('done');
  expect(await readdir(folder)).toEqual([]);
});

it('lets one at a time in, also past an unreadable lock', async () => {
  await writeFile(join(folder, 'lock'), '');
  let inside = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    most = Math.max(most, ++inside);
    await new Promise((resolve) => setTimeout(resolve, 100));
    inside -= 1;
  };
  await Promise.all([1, 2, 3, 4].map(() => withLock(folder, { timeoutMs: 20_000 }, work)));
  expect(most).toBe(1);
});

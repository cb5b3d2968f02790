import { link, mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';

/** Files by their SHA-256 on this machine's disk, the least recently used of which go when there are too many. */
export interface StoreCache {
  readonly incoming: string;
  pathOf(sha256: string): string;
  /** Takes a finished file of `incoming` in, and makes room for it. */
  add(sha256: string, temporary: string): Promise<void>;
  /** Whether the file is there; then it counts as used now. */
  use(sha256: string): Promise<boolean>;
}

/** What was used so lately may be open, or about to be: it stays even above the bound. */
const IN_USE_MS = 3_600_000;

export function openStoreCache(root: string, maxBytes: number): StoreCache {
  const objects = join(root, 'objects');
  // Unknown until the first look; afterwards what it was then and what came since.
  let bytes = Infinity;
  const cache: StoreCache = {
    incoming: join(root, 'incoming'),
    pathOf: (sha256) => join(objects, sha256),
    async add(sha256, temporary) {
      await mkdir(objects, { recursive: true });
      await link(temporary, cache.pathOf(sha256)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
      bytes += (await stat(temporary)).size;
      if (bytes > maxBytes) bytes = await makeRoom(objects, maxBytes);
    },
    async use(sha256) {
      const now = new Date();
      return utimes(cache.pathOf(sha256), now, now).then(
        () => true,
        () => false,
      );
    },
  };
  return cache;
}

/** @returns the bytes that are left */
async function makeRoom(folder: string, maxBytes: number): Promise<number> {
  const files: { path: string; size: number; usedMs: number }[] = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    // Another process may have removed it.
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined) files.push({ path, size: found.size, usedMs: found.mtimeMs });
  }
  let bytes = files.reduce((sum, { size }) => sum + size, 0);
  for (const { path, size, usedMs } of files.sort((one, other) => one.usedMs - other.usedMs)) {
    if (bytes <= maxBytes || Date.now() - usedMs < IN_USE_MS) break;
    await rm(path, { force: true });
    bytes -= size;
  }
  return bytes;
}

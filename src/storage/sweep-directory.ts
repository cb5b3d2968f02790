import { link, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { failpoint } from '../failpoint.js';
import type { StoredObject } from '../model/artifact.js';
import { isWhole } from './is-whole.js';

/**
 * Use and deletion of a directory store's objects. The time of a file says when it was last used. An object that is swept is first moved
 * aside, then its time is looked at: whoever used it before the move has left a newer time, and whoever comes after it finds nothing
 * under its name and brings it back.
 */
export interface DirectoryUse {
  /** Whether the object is there under its name; then it counts as used now. One that a sweep has moved aside may be put anew. */
  touch(sha256: string): Promise<boolean>;
  /** Whether the object is there; then it counts as used now. */
  use(sha256: string): Promise<boolean>;
  /** Brings back what a sweep moved aside; false when there is no such object. */
  restore(sha256: string): Promise<boolean>;
  list(signal?: AbortSignal): AsyncGenerator<StoredObject>;
  sweep(objects: readonly StoredObject[], usedBefore: number, signal?: AbortSignal): Promise<StoredObject[]>;
}

const NOT_OWNER = new Set(['EPERM', 'EACCES', 'EROFS']);

export function openDirectoryUse(root: string, pathOf: (sha256: string) => string): DirectoryUse {
  const aside = join(root, 'condemned');
  const asidePath = (sha256: string): string => join(aside, sha256);

  const restore = async (sha256: string): Promise<boolean> => {
    try {
      // link, not rename: it must not take the place of one that was put meanwhile.
      await link(asidePath(sha256), pathOf(sha256));
    } catch (error) {
      if (isMissing(error)) return false;
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      // What was put meanwhile may be part of it only: its writer is still at work, or was killed.
      const isPart = !(await isWhole(pathOf(sha256), sha256)) && (await isWhole(asidePath(sha256), sha256));
      if (isPart) await rename(asidePath(sha256), pathOf(sha256)).catch(unlessMissing);
    }
    await rm(asidePath(sha256), { force: true });
    return true;
  };
  const touch = async (path: string): Promise<boolean> => {
    const now = new Date();
    try {
      await utimes(path, now, now);
      return true;
    } catch (error) {
      // Only its owner may date a file: to others it is as if it were not there, and they put it anew.
      if (isMissing(error) || NOT_OWNER.has((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
  };
  const use = async (sha256: string): Promise<boolean> =>
    (await touch(pathOf(sha256))) || ((await restore(sha256)) && (await touch(pathOf(sha256))));

  /** Whether it is gone. */
  const condemn = async (sha256: string, usedBefore: number): Promise<boolean> => {
    const found = await stat(pathOf(sha256)).catch(() => undefined);
    if (found === undefined || found.mtimeMs >= usedBefore) return false;
    try {
      await rename(pathOf(sha256), asidePath(sha256));
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
    await failpoint('gc.condemned');
    const moved = await stat(asidePath(sha256)).catch(() => undefined);
    if (moved === undefined) return false;
    if (moved.mtimeMs >= usedBefore) {
      await restore(sha256);
      return false;
    }
    await rm(asidePath(sha256), { force: true });
    return true;
  };

  return {
    touch: (sha256) => touch(pathOf(sha256)),
    use,
    restore,
    async *list(signal) {
      // What a killed sweep had moved aside is an object like any other.
      for (const sha256 of await names(aside)) await restore(sha256);
      for (const folder of (await names(join(root, 'sha256'))).sort())
        for (const sha256 of await names(join(root, 'sha256', folder))) {
          signal?.throwIfAborted();
          const found = await stat(join(root, 'sha256', folder, sha256)).catch(() => undefined);
          if (found !== undefined) yield { sha256, bytes: found.size, usedMs: found.mtimeMs };
        }
    },
    async sweep(objects, usedBefore, signal) {
      await mkdir(aside, { recursive: true });
      const gone: StoredObject[] = [];
      for (const object of objects) {
        signal?.throwIfAborted();
        if (await condemn(object.sha256, usedBefore)) gone.push(object);
      }
      return gone;
    },
  };
}

async function names(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
}

function unlessMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

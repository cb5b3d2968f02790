import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TerminalError } from '../errors.js';
import type { ArtifactRef, PutOptions, SharedStore } from '../model/artifact.js';
import { withOpenFile } from '../model/open-file.js';
import { diskFull } from './disk-full.js';
import { hashMeter } from './hash-meter.js';
import { isOnDisk } from './is-on-disk.js';
import { hashOf, SMALL_BYTES } from './hash-of.js';
import { isWhole } from './is-whole.js';
import { ownedName, removeAbandoned } from './owned-files.js';
import { openDirectoryUse } from './sweep-directory.js';
import { writeNewFile } from './write-new-file.js';

/**
 * Objects as files `<root>/sha256/ab/abcdef…`. What is small is written under its name in one go, anything else beside and then put in its place. A killed writer
 * may leave part of a small one: nothing refers to it, whoever puts the object anew or asks for it looks into what is there, and a sweep takes it.
 */
export function openDirectoryStore(root: string): SharedStore {
  const pathOf = (sha256: string): string => join(root, 'sha256', assertName(sha256).slice(0, 2), sha256);
  const incoming = incomingFolder(root);
  const objects = openDirectoryUse(root, pathOf);

  /** Gives the finished file its name. */
  const keep = async (temporary: string, { sha256, bytes }: ArtifactRef): Promise<void> => {
    const path = pathOf(sha256);
    try {
      // link, not rename: an object that is there already stays the same file for those who read it.
      await inFolder(dirname(path), () => link(temporary, path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (bytes < SMALL_BYTES || !(await objects.use(sha256))) await rename(temporary, path);
    }
  };
  /** A small object under its name, new or found there; false where it has to be put in the place of what is there. */
  const addAtOnce = async (content: Uint8Array, sha256: string): Promise<boolean> => {
    const path = pathOf(sha256);
    try {
      await inFolder(dirname(path), () => writeNewFile(path, content));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw diskFull(error, root);
    }
    // In this order: what is looked at is what no sweep takes any more.
    return (await objects.touch(sha256)) && (await isOnDisk(path, content));
  };
  /** An object that is written to a file beside, then put in its place. */
  const add = async (
    write: (temporary: string) => Promise<ArtifactRef>,
    { unless }: PutOptions = {},
  ): Promise<ArtifactRef> => {
    const temporary = join(incoming, ownedName());
    try {
      const ref = await write(temporary);
      if ((await unless?.(ref.sha256)) !== true) await keep(temporary, ref);
      return ref;
    } catch (error) {
      throw diskFull(error, root);
    } finally {
      await removeFile(temporary);
    }
  };
  const statOf = async (sha256: string): Promise<void> => {
    const path = pathOf(sha256);
    await stat(path).catch(async (error: unknown) => {
      if (!(await objects.restore(sha256))) throw objectMissing(sha256, error);
    });
  };

  const store: SharedStore = {
    place: root,
    async put(content, options) {
      if (content instanceof Readable) return add((temporary) => spool(temporary, content), options);
      const ref = { sha256: createHash('sha256').update(content).digest('hex'), bytes: content.length };
      if ((await options?.unless?.(ref.sha256)) === true) return ref;
      const isThere = content.length < SMALL_BYTES ? addAtOnce(content, ref.sha256) : objects.touch(ref.sha256);
      if (await isThere) return ref;
      return add(async (temporary) => {
        await inFolder(incoming, () => writeNewFile(temporary, content));
        return ref;
      });
    },
    putFile: (path, options) => store.put(createReadStream(path, { highWaterMark: 1 << 20 }), options),
    async has(sha256) {
      while (await objects.use(assertName(sha256))) {
        const isThere = await isWhole(pathOf(sha256), sha256);
        if (isThere !== undefined) return isThere;
        // A sweep has moved it aside since: it was used, so that it is brought back.
      }
      return false;
    },
    async read(sha256) {
      await statOf(sha256);
      const content = await readFile(pathOf(sha256)).catch((error: unknown) => {
        throw objectMissing(sha256, error);
      });
      assertHash(sha256, createHash('sha256').update(content).digest('hex'));
      return content;
    },
    async localFile(sha256) {
      const path = pathOf(sha256);
      const read = () => withOpenFile(path, hashOf);
      const { hash, content } = await read().catch(async (error: unknown) => {
        if ((error as NodeJS.ErrnoException).syscall !== 'open') throw error;
        // A sweep may have moved it aside.
        if (!(await objects.restore(sha256))) throw objectMissing(sha256, error);
        return read();
      });
      assertHash(sha256, hash);
      return { path, ...(content && { content }) };
    },
    localPath: async (sha256) => (await store.localFile(sha256)).path,
    async identity() {
      const path = join(root, 'store-id');
      const known = await readFile(path, 'utf8').catch(() => '');
      if (known !== '') return known.trim();
      await mkdir(incoming, { recursive: true });
      const temporary = join(incoming, ownedName());
      await writeFile(temporary, `${randomUUID()}\n`, { flush: true });
      // The first to ask chooses it.
      await link(temporary, path)
        .catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'EEXIST') throw error;
        })
        .finally(() => removeFile(temporary));
      return (await readFile(path, 'utf8')).trim();
    },
    async addUser(databaseId) {
      await mkdir(join(root, 'users'), { recursive: true });
      await writeFile(join(root, 'users', databaseId), '');
    },
    users: () =>
      readdir(join(root, 'users')).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return [];
        throw error;
      }),
    list: (signal) => objects.list(signal),
    sweep: (found, usedBefore, signal) => objects.sweep(found, usedBefore, signal),
    sweepUnfinished: () => removeAbandoned(incoming),
  };
  return store;
}

/** Writes what comes to disk and hashes it on the way. */
async function spool(path: string, content: Readable): Promise<ArtifactRef> {
  const { meter, ref } = hashMeter();
  const file = await inFolder(dirname(path), () => open(path, 'wx'));
  await pipeline(content, meter, file.createWriteStream({ flush: true }));
  return ref();
}

/** `rm` looks first whether it is a folder. */
async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

/** Makes the folder only where it is missing. */
async function inFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(folder, { recursive: true });
    return work();
  }
}

/** Removes what killed writers of this machine left half written. */
export async function sweepDirectoryStore(root: string): Promise<void> {
  await removeAbandoned(incomingFolder(root));
}

function incomingFolder(root: string): string {
  return join(root, 'incoming');
}

/** A name that no path can be made of. Throws RangeError. */
export function assertName(sha256: string): string {
  if (/^[0-9a-f]{64}$/.test(sha256)) return sha256;
  throw new RangeError(`expected a lower-case hex SHA-256, got ${JSON.stringify(sha256)}`);
}

export function objectMissing(sha256: string, cause?: unknown): TerminalError {
  return new TerminalError(
    'STORE_OBJECT_MISSING',
    `Reading object ${sha256} from the artifact store failed: it is not there.`,
    {
      details: { sha256 },
      next: 'Check that every worker uses the same artifact store, or run again with --force to make it anew.',
      ...(cause !== undefined && { cause }),
    },
  );
}

/** Throws `STORE_HASH_MISMATCH` (terminal). */
export function assertHash(sha256: string, received: string): void {
  if (received === sha256) return;
  throw new TerminalError(
    'STORE_HASH_MISMATCH',
    `Object ${sha256} in the artifact store has the content of ${received}: refused.`,
    {
      details: { sha256, received },
      next: 'Restore the object from a backup, or remove the file and run again with --force.',
    },
  );
}

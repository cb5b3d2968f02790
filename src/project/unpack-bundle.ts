import { randomUUID } from 'node:crypto';
import { access, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { TerminalError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { ArtifactStore } from '../model/artifact.js';
import { bundleDigest, contentHash } from './bundle-digest.js';
import { MAX_BUNDLE_BYTES, MAX_BUNDLE_FILES, MAX_FILE_BYTES } from './bundle-files.js';

/** Each file costs a header and padding beside its content. */
const MAX_TAR_BYTES = MAX_BUNDLE_BYTES + MAX_BUNDLE_FILES * 2048;
const STALE_MS = 600_000;

/**
 * The folder `<cacheDir>/<digest>` with the bundle's files, unpacked there unless it is there already. Written beside
 * and renamed, so a killed or a second worker never leaves or sees half of it. Throws PROJECT_BUNDLE_INVALID for an
 * archive that is not the bundle or reaches outside the folder; STORE_* as the store does.
 */
export async function unpackBundle(options: {
  readonly digest: string;
  readonly artifactSha256: string;
  readonly store: ArtifactStore;
  readonly cacheDir: string;
  /** Where it is written beside, on the same file system. @default cacheDir */
  readonly scratchDir?: string;
}): Promise<string> {
  const { digest, artifactSha256, store, cacheDir, scratchDir = cacheDir } = options;
  if (!/^[0-9a-f]{64}$/.test(digest)) throw invalid(digest, 'the digest is not a SHA-256 in hexadecimal');
  const folder = join(cacheDir, digest);
  if (await exists(folder)) return folder;
  const files = await readArchive(digest, await store.read(artifactSha256));
  const received = bundleDigest(Object.fromEntries([...files].map(([path, content]) => [path, contentHash(content)])));
  if (received !== digest) throw invalid(digest, `the files in it have the digest ${received}`);

  await mkdir(cacheDir, { recursive: true });
  await sweep(cacheDir);
  const beside = join(scratchDir, `.unpacking-${randomUUID()}`);
  try {
    for (const [path, content] of files) {
      await mkdir(dirname(join(beside, path)), { recursive: true });
      await writeFile(join(beside, path), content, { flag: 'wx', mode: 0o644, flush: true });
    }
    await failpoint('bundle.before-rename');
    await rename(beside, folder).catch(async (error: unknown) => {
      // Another process was first; its folder has the same content.
      if (!(await exists(folder))) throw error;
    });
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
  return folder;
}

/** The files of a gzipped tar by path: plain files inside the folder only. */
async function readArchive(digest: string, zipped: Buffer): Promise<Map<string, Buffer>> {
  const tar = await promisify(gunzip)(zipped, { maxOutputLength: MAX_TAR_BYTES }).catch((cause: unknown) => {
    throw invalid(digest, 'it is no gzip archive or unpacks to too many bytes', cause);
  });
  const files = new Map<string, Buffer>();
  const archive = extract();
  Readable.from([tar]).pipe(archive);
  try {
    for await (const entry of archive) {
      const { name, type, size = 0 } = entry.header;
      if (type !== 'file') throw invalid(digest, `${JSON.stringify(name)} is a ${type}, expected a file`);
      if (!isInside(name)) throw invalid(digest, `${JSON.stringify(name)} is no path inside the project`);
      if (files.has(name)) throw invalid(digest, `${JSON.stringify(name)} is in it twice`);
      if (size > MAX_FILE_BYTES || files.size >= MAX_BUNDLE_FILES) throw invalid(digest, 'it holds too much');
      files.set(name, await buffer(entry));
    }
  } catch (cause) {
    throw cause instanceof TerminalError ? cause : invalid(digest, 'the archive is damaged', cause);
  }
  return files;
}

function isInside(path: string): boolean {
  if (path === '' || path.startsWith('/') || /[\\\0]/.test(path) || /^[A-Za-z]:/.test(path)) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/** Folders that a killed worker left half written. */
async function sweep(cacheDir: string): Promise<void> {
  for (const name of await readdir(cacheDir)) {
    if (!name.startsWith('.unpacking-')) continue;
    const path = join(cacheDir, name);
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > STALE_MS) await rm(path, { recursive: true, force: true });
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function invalid(digest: string, reason: string, cause?: unknown): TerminalError {
  return new TerminalError(
    'PROJECT_BUNDLE_INVALID',
    `Unpacking the code bundle ${digest.slice(0, 12)} failed: ${reason}.`,
    {
      details: { digest },
      next: 'Start a new run with `plumbline run`, which packs the code again.',
      cause,
    },
  );
}

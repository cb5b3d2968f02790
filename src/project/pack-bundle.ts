import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { pack } from 'tar-stream';
import type { ArtifactRef, ArtifactStore } from '../model/artifact.js';
import { bundleDigest, contentHashes } from './bundle-digest.js';
import { bundleEntries } from './bundle-entries.js';
import type { BundleFile } from './bundle-files.js';
import { readGitState, type GitState } from './git-state.js';

export interface Bundle extends GitState {
  /** Names the code: SHA-256 over its paths and contents. */
  readonly digest: string;
  /** The gzipped tar in the store. */
  readonly artifact: ArtifactRef;
  /** Path → SHA-256. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * Puts the project's code into the store as one archive, its plug-ins built; the same code gives the same bytes. Errors as
 * `bundleEntries`.
 */
export async function packBundle(options: { readonly root: string; readonly store: ArtifactStore }): Promise<Bundle> {
  const { root, store } = options;
  const entries = await bundleEntries(root);
  const files = contentHashes(entries);
  const artifact = await store.put(await archive(entries));
  return { digest: bundleDigest(files), artifact, files, ...(await readGitState(root)) };
}

async function archive(files: readonly BundleFile[]): Promise<Buffer> {
  const tar = pack();
  const bytes = buffer(tar);
  for (const { path, content } of files) tar.entry({ name: path, mode: 0o644, mtime: new Date(0) }, content);
  tar.finalize();
  const zipped = await promisify(gzip)(await bytes, { level: 9 });
  // RFC 1952: byte 9 is the operating system; 255 is "unknown", so that every machine writes the same.
  zipped[9] = 255;
  return zipped;
}

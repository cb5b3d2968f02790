import { createHash } from 'node:crypto';
import type { BundleFile } from './bundle-files.js';

export function contentHash(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Content hashes by path. */
export function contentHashes(files: readonly BundleFile[]): Record<string, string> {
  return Object.fromEntries(files.map(({ path, content }) => [path, contentHash(content)]));
}

/** SHA-256 over paths and content hashes in the order of the paths: the same code is the same digest everywhere. */
export function bundleDigest(files: Readonly<Record<string, string>>): string {
  const hash = createHash('sha256');
  for (const path of Object.keys(files).sort()) hash.update(`${path}\0${files[path]}\n`);
  return hash.digest('hex');
}

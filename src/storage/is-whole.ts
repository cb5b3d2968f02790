import { withOpenFile } from '../model/open-file.js';
import { hashOf, SMALL_BYTES } from './hash-of.js';

/**
 * Whether a file is the whole of the object it is named after; undefined when it is not there. One that is not small was put in its place whole and
 * is not read; one that cannot be read is none.
 */
export async function isWhole(path: string, sha256: string): Promise<boolean | undefined> {
  return withOpenFile(
    path,
    async (file) => file.stat().size >= SMALL_BYTES || (await hashOf(file)).hash === sha256,
  ).catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? undefined : false));
}

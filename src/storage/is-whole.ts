import { createHash } from 'node:crypto';
import { withOpenFile } from '../model/open-file.js';

/** Smaller objects are written under their names in one go. */
export const SMALL_BYTES = 1 << 18;

/**
 * Whether a file is the whole of the object it is named after; undefined when it is not there. One that is not small was put in its place whole and
 * is not read; one that cannot be read is none.
 */
export async function isWhole(path: string, sha256: string): Promise<boolean | undefined> {
  return withOpenFile(path, async (file) => {
    const { size } = file.stat();
    if (size >= SMALL_BYTES) return true;
    const found = Buffer.allocUnsafe(size);
    return (await file.read(found, 0)) === size && createHash('sha256').update(found).digest('hex') === sha256;
  }).catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? undefined : false));
}

import { closeSync, fsync, ftruncateSync, open, write } from 'node:fs';
import { promisify } from 'node:util';

const openFile = promisify(open);
const writeSome = promisify(write);
const toDisk = promisify(fsync);

/**
 * Writes a file that is not there yet, to the disk. As `writeFile` does, with a turn less in the pool of threads, which for a small file is much: once its
 * bytes are on the disk, to close it waits for nothing. What cannot be written whole is left empty, not removed: another process may have put a
 * file of its own under the name. Throws what the system does: `EEXIST`, `ENOSPC`, …
 */
export async function writeNewFile(path: string, content: Uint8Array): Promise<void> {
  const descriptor = await openFile(path, 'wx');
  try {
    for (let at = 0; at < content.length;) at += (await writeSome(descriptor, content, at)).bytesWritten;
    await toDisk(descriptor);
  } catch (error) {
    ftruncateSync(descriptor);
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

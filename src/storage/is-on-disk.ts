import { fsync } from 'node:fs';
import { promisify } from 'node:util';
import { withOpenFile } from '../model/open-file.js';

const toDisk = promisify(fsync);

/** Whether a file holds `content` and nothing else, and keeps it when the power fails. One that cannot be read does not. */
export async function isOnDisk(path: string, content: Uint8Array): Promise<boolean> {
  return withOpenFile(path, async (file) => {
    if (file.stat().size !== content.length) return false;
    const found = Buffer.allocUnsafe(content.length);
    if ((await file.read(found, 0)) !== content.length || !found.equals(content)) return false;
    // Whoever wrote it may have been killed before this.
    await toDisk(file.descriptor);
    return true;
  }).catch(() => false);
}

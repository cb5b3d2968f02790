import { createHash } from 'node:crypto';
import type { OpenFile } from '../model/open-file.js';

/** Smaller objects are written under their names in one go, and given with what they hold. */
export const SMALL_BYTES = 1 << 18;

/** SHA-256 of all that a file holds, and that itself where it is little. */
export async function hashOf(file: OpenFile): Promise<{ readonly hash: string; readonly content?: Buffer }> {
  const hash = createHash('sha256');
  const { size } = file.stat();
  const buffer = Buffer.allocUnsafe(Math.min(1 << 20, size));
  let at = 0;
  while (at < size) {
    const length = await file.read(buffer, at);
    if (length === 0) break;
    hash.update(buffer.subarray(0, length));
    at += length;
  }
  const isWhole = size < SMALL_BYTES && at === size;
  return { hash: hash.digest('hex'), ...(isWhole && { content: buffer }) };
}

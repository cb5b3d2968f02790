import { open } from 'node:fs/promises';

/** The last lines of a log, at most 4 KiB; empty when there is none. */
export async function logTail(path: string, lines: number): Promise<string[]> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const length = Math.min(size, 4_096);
      const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
      return buffer.toString('utf8').trimEnd().split('\n').slice(-lines);
    } finally {
      await file.close();
    }
  } catch {
    return [];
  }
}

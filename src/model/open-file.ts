import { closeSync, fstatSync, open, read, type Stats } from 'node:fs';
import { promisify } from 'node:util';

const openFile = promisify(open);
const readSome = promisify(read);

/** A file that is open for reading. */
export interface OpenFile {
  /** Its number, for as long as it is open. */
  readonly descriptor: number;
  /** What it is now, also when another one has its name by now. */
  stat(): Stats;
  /** Reads from `position` on as much as fits into `buffer`, less where the file ends. Gives the number of bytes. */
  read(buffer: Buffer, position: number): Promise<number>;
}

/**
 * Opens a file for as long as `work` runs. Only to open and to read wait for the disk, so only they go through the pool of threads, where each call
 * takes longer than the reading of a small file. Throws what the system does: `ENOENT`, `EACCES`, …
 */
export async function withOpenFile<T>(path: string, work: (file: OpenFile) => Promise<T>): Promise<T> {
  const descriptor = await openFile(path, 'r');
  try {
    return await work({
      descriptor,
      stat: () => fstatSync(descriptor),
      async read(buffer, position) {
        let length = 0;
        while (length < buffer.length) {
          const { bytesRead } = await readSome(descriptor, buffer, length, buffer.length - length, position + length);
          if (bytesRead === 0) break;
          length += bytesRead;
        }
        return length;
      },
    });
  } finally {
    closeSync(descriptor);
  }
}

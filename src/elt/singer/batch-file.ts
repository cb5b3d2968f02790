import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename, sep } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { readLines } from '../child/read-lines.js';
import type { BatchEncoding } from './parse-message.js';
import { readParquetBatch } from './read-parquet-batch.js';

const MAX_LINE_BYTES = 64 << 20;

/**
 * Finds a file that a BATCH message names: `file:///…` or a path, below `folder` and nowhere else, whatever links say. Throws SyntaxError with what was
 * expected.
 */
export async function findBatchFile(name: string, folder: string): Promise<string> {
  const path = name.replace(/^file:\/\//, '');
  // Taps write addresses with escapes and without.
  for (const candidate of new Set([path, decoded(path)])) {
    const real = await realpath(candidate).catch(() => undefined);
    if (real === undefined) continue;
    if (!real.startsWith(`${await realpath(folder)}${sep}`)) break;
    if ((await stat(real)).isFile()) return real;
  }
  throw new SyntaxError(
    `it names ${JSON.stringify(name)}, expected a file below the folder of its config's batch_config.storage.root`,
  );
}

/** Hands over the records of a batch file as JSON, one after the other. Throws SyntaxError when it cannot be unpacked or read, or has too long a line. */
export async function readBatchFile(
  path: string,
  encoding: BatchEncoding,
  onLine: (line: Buffer, number: number) => void | Promise<void>,
): Promise<void> {
  if (encoding === 'parquet') return readParquetBatch(path, onLine);
  const bytes = createReadStream(path);
  const stream: Readable = encoding === 'jsonl' ? bytes : pipeline(bytes, createGunzip(), () => {});
  let number = 0;
  try {
    await readLines(stream, {
      maxBytes: MAX_LINE_BYTES,
      onLine: (line) => onLine(line, ++number),
      onLongLine() {
        throw new SyntaxError(`line ${number + 1} of ${basename(path)} is longer than ${MAX_LINE_BYTES >> 20} MiB`);
      },
    });
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (code.startsWith('Z_'))
      throw new SyntaxError(`${basename(path)} cannot be unpacked: ${message}`, { cause: error });
    throw error;
  }
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { compressionOf } from './inspect-bytes.js';
import { firstBytes, openBytes } from './open-bytes.js';

/**
 * Where a file lies that is read from its end, as Parquet and workbooks are: unpacked in `folder` when gzip or Zstandard is around it. Throws what
 * `openBytes` does.
 *
 * @param head what `firstBytes` gave, where it was asked before
 */
export async function unpackedCopy(
  path: string,
  file: string,
  folder: string,
  { head, signal }: { readonly head?: Buffer; readonly signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const compression = compressionOf(head ?? (await firstBytes(path)));
  if (compression === 'none') return path;
  const target = join(folder, `unpacked-${randomUUID()}`);
  await pipeline(openBytes({ path, file, compression, encoding: 'utf-8' }, signal), createWriteStream(target));
  return target;
}

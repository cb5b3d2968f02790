import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { TerminalError } from '../../errors.js';

export interface ByteSource {
  /** A file on this machine. */
  readonly path: string;
  readonly gzip: boolean;
  /** What the user calls the file, for messages. */
  readonly file: string;
}

/** The file's bytes, unpacked. Throws `ELT_GZIP_BROKEN` when the gzip is damaged or cut; a retry does not help. */
export async function* openBytes(source: ByteSource, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const file = createReadStream(source.path, { highWaterMark: 1 << 20, ...(signal && { signal }) });
  if (!source.gzip) {
    yield* file as AsyncIterable<Buffer>;
    return;
  }
  const gunzip = createGunzip({ chunkSize: 1 << 18 });
  file.on('error', (error) => gunzip.destroy(error));
  try {
    yield* file.pipe(gunzip) as AsyncIterable<Buffer>;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!code.startsWith('Z_')) throw error;
    throw new TerminalError(
      'ELT_GZIP_BROKEN',
      `Unpacking ${source.file} failed: the gzip data is damaged or cut short (${code}).`,
      {
        at: { file: source.file },
        next: 'Fetch or write the file again; `gzip -t` checks it.',
        cause: error,
      },
    );
  } finally {
    file.destroy();
    gunzip.destroy();
  }
}

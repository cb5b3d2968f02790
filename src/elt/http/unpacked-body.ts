import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { TransientError } from '../../errors.js';
import { assertUnpackable } from '../read/unpack-limits.js';
import { shownUrl, type GuardedResponse } from './guarded-fetch.js';

/**
 * The body of an answer, unpacked where the server packed it unasked. Throws `ELT_FILE_BOMB` (terminal) for what unpacks to far too much, and
 * `ELT_HTTP_CUT` (transient) where it is damaged or cut.
 */
export async function* unpackedBody({ url, body, headers }: GuardedResponse): AsyncGenerator<Buffer> {
  if (!isGzip(headers['content-encoding'])) {
    yield* body;
    return;
  }
  let packedBytes = 0;
  let bytes = 0;
  const packed = Readable.from(body);
  packed.on('data', (chunk: Buffer) => (packedBytes += chunk.length));
  const gunzip = createGunzip();
  packed.on('error', (error) => gunzip.destroy(error));
  try {
    for await (const chunk of packed.pipe(gunzip) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      assertUnpackable(shownUrl(url), packedBytes, bytes);
      yield chunk;
    }
  } catch (error) {
    throw isGzipError(error) ? damaged(url, error) : error;
  } finally {
    packed.destroy();
    gunzip.destroy();
  }
}

/** Whether a Content-Encoding is gzip, by either of its names (RFC 9110, 8.4.1.3). */
export function isGzip(encoding: string | undefined): boolean {
  return /^(x-)?gzip$/i.test(encoding ?? '');
}

function isGzipError(error: unknown): error is Error {
  return String((error as NodeJS.ErrnoException).code ?? '').startsWith('Z_');
}

function damaged(url: string, cause: Error): TransientError {
  return new TransientError('ELT_HTTP_CUT', `Fetching ${shownUrl(url)} failed: its gzip encoding is damaged or cut (${cause.message}).`, {
    cause,
    next: 'Nothing: the step is tried again.',
  }); // prettier-ignore
}

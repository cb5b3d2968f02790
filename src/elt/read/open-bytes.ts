import { createReadStream, ReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { TerminalError } from '../../errors.js';
import type { TextEncoding } from '../../model/project.js';
import { isGzip } from './inspect-bytes.js';
import { assertUnpackable } from './unpack-limits.js';
import { encodingOf, transcode, type ReadEncoding } from './transcode.js';

export interface ByteSource {
  /** A file on this machine. */
  readonly path: string;
  /** What the user calls the file, for messages. */
  readonly file: string;
  readonly gzip: boolean;
  /** All that the file holds, as it lies there, where that is little: then it is opened and read once. */
  readonly content?: Buffer;
  /** Of the unpacked text. */
  readonly encoding: ReadEncoding;
}

/**
 * Finds out how a text file is packed and encoded. Throws `ELT_GZIP_BROKEN`, `ELT_FILE_ENCODING`; a retry does not help.
 *
 * @param head what `firstBytes` gave
 */
export async function byteSource(
  path: string,
  file: string,
  declared: TextEncoding | undefined,
  head: Buffer,
): Promise<ByteSource> {
  const content = head.length < SMALL_BYTES ? { content: head } : {};
  const packed = { path, file, gzip: isGzip(head), ...content };
  for await (const chunk of unpack(packed)) return { ...packed, encoding: encodingOf(chunk, file, declared) };
  return { ...packed, encoding: 'utf-8' };
}

export const SMALL_BYTES = 1 << 18;

/** The first 256 KiB of a file as it lies there; fewer where it has no more. */
export async function firstBytes(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const buffer = Buffer.allocUnsafe(Math.min(SMALL_BYTES, (await file.stat()).size));
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read)
      read = (await file.read(buffer, length, buffer.length - length, length)).bytesRead;
    return buffer.subarray(0, length);
  } finally {
    await file.close();
  }
}

/**
 * The file's text as UTF-8, unpacked. Throws `ELT_GZIP_BROKEN` when the gzip is damaged or cut and `ELT_FILE_BOMB` when it unpacks to
 * far too much; a retry does not help.
 */
export function openBytes(source: ByteSource, signal?: AbortSignal): AsyncIterable<Buffer> {
  const bytes = unpack(source, signal);
  return source.encoding === 'utf-8' ? bytes : transcode(bytes, source.encoding);
}

async function* unpack(source: Omit<ByteSource, 'encoding'>, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const { content } = source;
  if (!source.gzip) {
    if (content === undefined) yield* readFile(source.path, signal) as AsyncIterable<Buffer>;
    else if (content.length > 0) yield content;
    return;
  }
  const file = content === undefined ? readFile(source.path, signal) : Readable.from([content]);
  const gunzip = createGunzip({ chunkSize: 1 << 18 });
  file.on('error', (error: Error) => gunzip.destroy(error));
  try {
    let bytes = 0;
    for await (const chunk of file.pipe(gunzip) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      assertUnpackable(source.file, file instanceof ReadStream ? file.bytesRead : content!.length, bytes);
      yield chunk;
    }
  } catch (error) {
    const code = String((error as NodeJS.ErrnoException).code ?? '');
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

function readFile(path: string, signal: AbortSignal | undefined): ReadStream {
  return createReadStream(path, { highWaterMark: 1 << 20, ...(signal && { signal }) });
}

import { createReadStream, ReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { TerminalError } from '../../errors.js';
import { withOpenFile, type OpenFile } from '../../model/open-file.js';
import type { TextEncoding } from '../../model/project.js';
import { compressionOf, type Compression } from './inspect-bytes.js';
import { assertUnpackable } from './unpack-limits.js';
import { unpackZstd } from './unpack-zstd.js';
import { encodingOf, transcode, type ReadEncoding } from './transcode.js';

export interface ByteSource {
  /** A file on this machine. */
  readonly path: string;
  /** Files that go on where it ends, all of them not packed. */
  readonly further?: readonly string[];
  /** What the user calls the file, for messages. */
  readonly file: string;
  readonly compression: Compression;
  /** All that the file holds, as it lies there, where that is little: then it is opened and read once. */
  readonly content?: Buffer;
  /** Of the unpacked text. */
  readonly encoding: ReadEncoding;
}

/**
 * Finds out how a text file is packed and encoded. Throws `ELT_GZIP_BROKEN`, `ELT_ZSTD_…`, `ELT_FILE_ENCODING`; a retry does not help.
 *
 * @param head what `firstBytes` gave, where it was asked before
 */
export async function byteSource(
  path: string,
  file: string,
  declared?: TextEncoding,
  head?: Buffer,
): Promise<ByteSource> {
  const first = head ?? (await firstBytes(path));
  const content = first.length < SMALL_BYTES ? { content: first } : {};
  const packed = { path, file, compression: compressionOf(first), ...content };
  for await (const chunk of unpack(packed)) return { ...packed, encoding: encodingOf(chunk, file, declared) };
  return { ...packed, encoding: 'utf-8' };
}

export const SMALL_BYTES = 1 << 18;

/** The first 256 KiB of a file as it lies there; fewer where it has no more. */
export function firstBytes(path: string): Promise<Buffer> {
  return withOpenFile(path, beginningOf);
}

/** The same of a file that is open. */
export async function beginningOf(file: OpenFile): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(Math.min(SMALL_BYTES, file.stat().size));
  return buffer.subarray(0, await file.read(buffer, 0));
}

/**
 * The file's text as UTF-8, unpacked. Throws `ELT_GZIP_BROKEN` or `ELT_ZSTD_BROKEN` when what is packed is damaged or cut and
 * `ELT_FILE_BOMB` when it unpacks to far too much; a retry does not help.
 */
export function openBytes(source: ByteSource, signal?: AbortSignal): AsyncIterable<Buffer> {
  const bytes = unpack(source, signal);
  return source.encoding === 'utf-8' ? bytes : transcode(bytes, source.encoding);
}

async function* unpack(source: Omit<ByteSource, 'encoding'>, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const { content } = source;
  if (source.compression === 'none') {
    if (content === undefined)
      for (const path of [source.path, ...(source.further ?? [])])
        yield* readFile(path, signal) as AsyncIterable<Buffer>;
    else if (content.length > 0) yield content;
    return;
  }
  const file = content === undefined ? readFile(source.path, signal) : Readable.from([content]);
  const unpacked = source.compression === 'gzip' ? unpackGzip(file, source.file) : unpackZstd(file, source.file);
  try {
    let bytes = 0;
    for await (const chunk of unpacked) {
      bytes += chunk.length;
      assertUnpackable(source.file, file instanceof ReadStream ? file.bytesRead : content!.length, bytes);
      yield chunk;
    }
  } finally {
    file.destroy();
  }
}

async function* unpackGzip(packed: Readable, file: string): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: 1 << 18 });
  packed.on('error', (error: Error) => gunzip.destroy(error));
  try {
    yield* packed.pipe(gunzip) as AsyncIterable<Buffer>;
  } catch (error) {
    const code = String((error as NodeJS.ErrnoException).code ?? '');
    if (!code.startsWith('Z_')) throw error;
    throw new TerminalError(
      'ELT_GZIP_BROKEN',
      `Unpacking ${file} failed: the gzip data is damaged or cut short (${code}).`,
      { at: { file }, next: 'Fetch or write the file again; `gzip -t` checks it.', cause: error },
    );
  } finally {
    gunzip.destroy();
  }
}

function readFile(path: string, signal: AbortSignal | undefined): ReadStream {
  return createReadStream(path, { highWaterMark: 1 << 20, ...(signal && { signal }) });
}

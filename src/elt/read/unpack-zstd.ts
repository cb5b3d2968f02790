import { Readable } from 'node:stream';
import zlib from 'node:zlib';
import { TerminalError } from '../../errors.js';
import { decodeZstd } from './decode-zstd.js';

const FRAME = 0xfd2fb528;
/** What programs put between frames, as pzstd its sizes: 0x184D2A50 to 5F. */
const SKIPPABLE = 0x184d2a50;

/**
 * Unpacks Zstandard (RFC 8878): all frames of the file, one behind the other. Node's own stream stops behind the first frame and takes a file
 * that is cut short for a whole one, so the frames are found here and handed to it one by one; checksums are checked where the file has them.
 * A Node.js before 22.15 has no such stream, and libzstd as WebAssembly takes its place. Throws `ELT_ZSTD_BROKEN`; a retry does not help.
 *
 * @param file what the user calls it
 */
export async function* unpackZstd(packed: AsyncIterable<Buffer>, file: string): AsyncGenerator<Buffer> {
  const input = byteReader(packed, file);
  try {
    while (!(await input.isAtEnd())) {
      const magic = await input.take(4);
      const kind = magic.readUInt32LE();
      if (kind === FRAME) yield* unpackFrame(frame(magic, input, file));
      else if ((kind & 0xfffffff0) === SKIPPABLE) await input.skip((await input.take(4)).readUInt32LE());
      else throw broken(file, 'what follows is no Zstandard frame');
    }
  } catch (error) {
    const code = String((error as NodeJS.ErrnoException).code ?? '');
    throw code.startsWith('ZSTD_') ? broken(file, `the data is damaged (${code})`, error) : error;
  }
}

async function* unpackFrame(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  if (typeof (zlib as Partial<typeof zlib>).createZstdDecompress !== 'function') {
    yield* decodeZstd(pieces);
    return;
  }
  const input = Readable.from(pieces);
  const unpacker = zlib.createZstdDecompress({ chunkSize: 1 << 18 });
  input.on('error', (error) => unpacker.destroy(error));
  try {
    yield* input.pipe(unpacker) as AsyncIterable<Buffer>;
  } finally {
    input.destroy();
    unpacker.destroy();
  }
}

/** Bytes of the header behind its first one, by the bits that say so: dictionary id, content size. */
const DICTIONARY_BYTES = [0, 1, 2, 4] as const;
const SIZE_BYTES = [0, 2, 4, 8] as const;

/** The bytes of one frame, block by block, up to its end and not further. */
async function* frame(magic: Buffer, input: ByteReader, file: string): AsyncGenerator<Buffer> {
  yield magic;
  const first = await input.take(1);
  const descriptor = first[0]!;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeBytes = isSingleSegment && descriptor >>> 6 === 0 ? 1 : SIZE_BYTES[(descriptor >>> 6) as 0 | 1 | 2 | 3];
  const dictionaryBytes = DICTIONARY_BYTES[(descriptor & 3) as 0 | 1 | 2 | 3];
  yield first;
  yield await input.take((isSingleSegment ? 0 : 1) + dictionaryBytes + sizeBytes);
  for (let isLast = false; !isLast;) {
    const header = await input.take(3);
    const bits = header.readUIntLE(0, 3);
    isLast = (bits & 1) === 1;
    const type = (bits >>> 1) & 3;
    if (type === 3) throw broken(file, 'a block has a type that does not exist');
    yield header;
    // A block of type 1 is one byte, repeated.
    yield await input.take(type === 1 ? 1 : bits >>> 3);
  }
  if ((descriptor & 4) !== 0) yield await input.take(4);
}

interface ByteReader {
  isAtEnd(): Promise<boolean>;
  /** Throws when there are fewer. */
  take(bytes: number): Promise<Buffer>;
  skip(bytes: number): Promise<void>;
}

function byteReader(chunks: AsyncIterable<Buffer>, file: string): ByteReader {
  const source = chunks[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);
  const more = async (): Promise<boolean> => {
    const next = await source.next();
    if (next.done === true) return false;
    held = held.length === 0 ? next.value : Buffer.concat([held, next.value]);
    return true;
  };
  const need = async (): Promise<void> => {
    if (!(await more())) throw broken(file, 'it ends in the middle of a frame');
  };
  return {
    async isAtEnd() {
      while (held.length === 0) if (!(await more())) return true;
      return false;
    },
    async take(bytes) {
      while (held.length < bytes) await need();
      const taken = held.subarray(0, bytes);
      held = held.subarray(bytes);
      return taken;
    },
    async skip(bytes) {
      let left = bytes;
      while (left > held.length) {
        left -= held.length;
        held = Buffer.alloc(0);
        await need();
      }
      held = held.subarray(left);
    },
  };
}

function broken(file: string, why: string, cause?: unknown): TerminalError {
  return new TerminalError('ELT_ZSTD_BROKEN', `Unpacking ${file} failed: ${why}; expected Zstandard.`, {
    at: { file },
    next: 'Fetch or write the file again, with a window of at most 128 MiB; `zstd -t` checks it.',
    cause,
  });
}

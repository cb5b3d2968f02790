/** What of libzstd's streaming decoder is called; numbers are addresses in its memory and sizes in bytes. */
interface Decoder {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly malloc: (bytes: number) => number;
  readonly free: (address: number) => void;
  readonly ZSTD_createDCtx: () => number;
  readonly ZSTD_freeDCtx: (context: number) => void;
  /** Gives 0 at the end of a frame, less than 0 for an error, else a hint. */
  readonly ZSTD_decompressStream: (context: number, output: number, input: number) => number;
}

// Of both buffers: libzstd's own advice, a block of Zstandard.
const BUFFER_BYTES = 1 << 17;
/** A buffer as libzstd has it: address, size, and how far it is read or written, 4 bytes each. */
const STRUCT_BYTES = 12;

/**
 * Unpacks one Zstandard frame with libzstd as WebAssembly, for a Node.js that has none of its own: some 50 MB a second. Checks what Node's
 * does, checksums included, and takes windows of up to 128 MiB as that does. Throws errors whose `code` begins with `ZSTD_`.
 */
export async function* decodeZstd(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const zstd = await loaded();
  const context = zstd.ZSTD_createDCtx();
  // Input, output and the two structs that tell of them.
  const from = zstd.malloc(2 * BUFFER_BYTES + 2 * STRUCT_BYTES);
  if (context === 0 || from === 0) throw failed('memory_allocation');
  const to = from + BUFFER_BYTES;
  const input = to + BUFFER_BYTES;
  const output = input + STRUCT_BYTES;
  let left = 1;
  try {
    for await (const piece of pieces)
      for (let start = 0; start < piece.length; start += BUFFER_BYTES) {
        const bytes = piece.subarray(start, start + BUFFER_BYTES);
        memory(zstd).set(bytes, from);
        set(zstd, input, [from, bytes.length, 0]);
        for (let isFull = false; isFull || positionOf(zstd, input) < bytes.length;) {
          set(zstd, output, [to, BUFFER_BYTES, 0]);
          left = zstd.ZSTD_decompressStream(context, output, input);
          if (left < 0) throw failed(`error_${-left}`);
          const written = positionOf(zstd, output);
          // Asked once more behind its end, it would wait for another frame.
          isFull = written === BUFFER_BYTES && left !== 0;
          if (written > 0) yield Buffer.from(memory(zstd).subarray(to, to + written));
        }
      }
  } finally {
    zstd.ZSTD_freeDCtx(context);
    zstd.free(from);
  }
  if (left !== 0) throw failed('incomplete');
}

let decoder: Promise<Decoder> | undefined;

/** The package's own loop asks for all input at once and does not see errors, so that only its build of libzstd is used. */
function loaded(): Promise<Decoder> {
  decoder ??= (async () => {
    const { ZSTDDecoder } = await import('zstddec/stream');
    let exports: unknown;
    class Loader extends ZSTDDecoder {
      override _init(result: { readonly instance: { readonly exports: unknown } }): void {
        super._init(result);
        exports = result.instance.exports;
      }
    }
    await new Loader().init();
    return exports as Decoder;
  })();
  return decoder;
}

/** Anew for each use: memory that grows is another buffer. */
function memory({ memory: { buffer } }: Decoder): Uint8Array {
  return new Uint8Array(buffer);
}

function set({ memory: { buffer } }: Decoder, address: number, values: readonly number[]): void {
  const view = new DataView(buffer);
  values.forEach((value, index) => view.setUint32(address + 4 * index, value, true));
}

function positionOf({ memory: { buffer } }: Decoder, address: number): number {
  return new DataView(buffer).getUint32(address + 8, true);
}

function failed(what: string): Error {
  return Object.assign(new Error(`libzstd: ${what}`), { code: `ZSTD_${what}` });
}

import { open } from 'node:fs/promises';
import { openBytes, type ByteSource } from './open-bytes.js';

const BLOCK_BYTES = 1 << 20;
/** Room for a rest in front of a block; longer records are rare. */
const REST_BYTES = 1 << 16;
const NOTHING = Buffer.alloc(0);

export interface Stretch {
  /** Of use until the next stretch is asked for. */
  readonly bytes: Buffer;
  /** There is nothing behind it. */
  readonly isLast: boolean;
}

/**
 * The text of a source in stretches of a MiB or so, each with what the caller has left of the one before in front, and a last one that is that
 * only. A file that is not packed is read into the same few blocks by turns, the next one while the caller works on this one: a file of any
 * length leaves nothing to collect. Throws what `openBytes` does.
 *
 * @param left how many bytes at the end of the stretch before are to come again
 */
export async function* readStretches(
  source: ByteSource,
  left: () => number,
  signal?: AbortSignal,
): AsyncGenerator<Stretch> {
  let shown: Buffer = NOTHING;
  for await (const { memory, from, to } of blocksOf(source, signal)) {
    signal?.throwIfAborted();
    const rest = shown.subarray(shown.length - left());
    if (rest.length <= from) {
      rest.copy(memory, from - rest.length);
      shown = memory.subarray(from - rest.length, to);
    } else shown = Buffer.concat([rest, memory.subarray(from, to)]);
    yield { bytes: shown, isLast: false };
  }
  yield { bytes: shown.subarray(shown.length - left()), isLast: true };
}

/** Bytes of a source, with room in front of them. */
interface Block {
  readonly memory: Buffer;
  readonly from: number;
  readonly to: number;
}

async function* blocksOf(source: ByteSource, signal: AbortSignal | undefined): AsyncGenerator<Block> {
  if (source.compression === 'none' && source.content === undefined && source.encoding === 'utf-8') {
    // One that is shown, one that is read, and one whose rest is still to be taken.
    const memories = [1, 2, 3].map(() => Buffer.allocUnsafeSlow(REST_BYTES + BLOCK_BYTES));
    for (const path of [source.path, ...(source.further ?? [])]) yield* blocksOfFile(path, memories);
    return;
  }
  for await (const bytes of openBytes(source, signal)) yield { memory: bytes, from: 0, to: bytes.length };
}

/** @param memories used by turns; the one used last stands at their end */
async function* blocksOfFile(path: string, memories: Buffer[]): AsyncGenerator<Block> {
  const file = await open(path, 'r');
  let position = 0;
  const readBlock = async (): Promise<Block> => {
    const memory = memories[0]!;
    const { bytesRead } = await file.read(memory, REST_BYTES, BLOCK_BYTES, position);
    position += bytesRead;
    // The end of a file takes no turn: the next file would be read over a rest.
    if (bytesRead > 0) memories.push(memories.shift()!);
    return { memory, from: REST_BYTES, to: REST_BYTES + bytesRead };
  };
  let next = readBlock();
  try {
    for (;;) {
      const block = await next;
      if (block.to === block.from) return;
      next = readBlock();
      // It is awaited above; until then a failure must not count as unhandled.
      next.catch(() => {});
      yield block;
    }
  } finally {
    await next.catch(() => {});
    await file.close();
  }
}

export const BLOCK_BYTES = 1 << 18;

/** Memory of blocks that nobody reads any more, for the next ones of this thread. */
const free: ArrayBuffer[] = [];

/** What a block is made of. */
export function memoryOf({ buffer }: Buffer): ArrayBuffer {
  return buffer as ArrayBuffer;
}

/** Blocks that have come from another thread, as plain bytes. */
export function receivedBlocks(blocks: readonly Uint8Array[]): Buffer[] {
  return blocks.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength));
}

/** Takes back what blocks were made of: memory that has moved between threads may otherwise wait long to be collected. */
export function reuseBlocks(memory: readonly ArrayBuffer[]): void {
  free.push(...memory.filter(({ byteLength }) => byteLength === BLOCK_BYTES));
}

/** Gives the memory up: the thread has nothing more to write for a while. */
export function dropBlocks(): void {
  free.length = 0;
}

const NOTHING = Buffer.alloc(0);

/** What a writer of rows has written since it was last taken, in blocks that a COPY sends as they are. Each has a memory of its own. */
export class RowBlocks {
  /** The open block. */
  block: Buffer = NOTHING;
  /** Where the next row begins in it. */
  at = 0;
  #closed: Buffer[] = [];
  #closedBytes = 0;

  get bytes(): number {
    return this.#closedBytes + this.at;
  }

  /** Makes room for a row of at most `most` bytes. */
  makeRoom(most: number): void {
    if (this.block.length - this.at >= most) return;
    this.#close();
    const used = most <= BLOCK_BYTES ? free.pop() : undefined;
    this.block = used === undefined ? Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, most)) : Buffer.from(used);
  }

  take(): Buffer[] {
    this.#close();
    const taken = this.#closed;
    this.#closed = [];
    this.#closedBytes = 0;
    return taken;
  }

  #close(): void {
    const { block, at } = this;
    this.block = NOTHING;
    this.at = 0;
    this.#closedBytes += at;
    const written = block.subarray(0, at);
    if (2 * at > block.length) this.#closed.push(written);
    else {
      // A small file's rows would keep a whole block for the few bytes in it.
      if (at > 0) this.#closed.push(copyOf(written));
      reuseBlocks([memoryOf(block)]);
    }
  }
}

function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

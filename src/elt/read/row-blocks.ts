export const BLOCK_BYTES = 1 << 18;

/** Memory of blocks that nobody reads any more, for the next ones of this thread. */
const free: ArrayBuffer[] = [];

/** Takes back what blocks were made of: memory that has moved between threads may otherwise wait long to be collected. */
export function reuseBlocks(memory: readonly ArrayBuffer[]): void {
  free.push(...memory.filter(({ byteLength }) => byteLength === BLOCK_BYTES));
}

export function dropBlocks(): void {
  free.length = 0;
}

/** What a writer of rows has written since it was last taken, in blocks that a COPY sends as they are. */
export class RowBlocks {
  /** The open block. */
  block: Buffer;
  /** Where the next row begins in it. */
  at = 0;
  readonly #usual: number;
  #closed: Buffer[] = [];
  #closedBytes = 0;

  /** @param bytes of the file, where that is little: its block would be kept for the few bytes in it */
  constructor(bytes = BLOCK_BYTES) {
    this.#usual = Math.min(BLOCK_BYTES, 2 * bytes);
    this.block = Buffer.allocUnsafe(this.#usual);
  }

  get bytes(): number {
    return this.#closedBytes + this.at;
  }

  /** Makes room for a row of at most `most` bytes. */
  makeRoom(most: number): void {
    if (this.block.length - this.at < most) this.#close(most);
  }

  take(): Buffer[] {
    this.#close(0);
    const taken = this.#closed;
    this.#closed = [];
    this.#closedBytes = 0;
    return taken;
  }

  #close(next: number): void {
    if (this.at > 0) this.#closed.push(this.block.subarray(0, this.at));
    this.#closedBytes += this.at;
    const bytes = Math.max(this.#usual, next);
    const used = bytes === BLOCK_BYTES ? free.pop() : undefined;
    this.block = used === undefined ? Buffer.allocUnsafe(bytes) : Buffer.from(used);
    this.at = 0;
  }
}

import { ROW_BLOCK, type TrainingMemory } from './training-memory.js';

/** One of the threads that run the same program over the same memory, each on its own rows and features. */
export interface Thread {
  readonly index: number;
  readonly count: number;
  readonly memory: TrainingMemory;
  /** Returns once every thread has called it. */
  readonly barrier: () => void;
}

/** Calls `visit(from, to, block)` for the blocks of rows that belong to this thread, in order. */
export function forOwnBlocks(
  { index, count, memory }: Thread,
  visit: (from: number, to: number, block: number) => void,
): void {
  const blocks = Math.ceil(memory.rows / ROW_BLOCK);
  for (let block = index; block < blocks; block += count) {
    visit(block * ROW_BLOCK, Math.min(memory.rows, (block + 1) * ROW_BLOCK), block);
  }
}

/** The rows of this thread, ascending. */
export function ownRows(thread: Thread): Int32Array {
  let length = 0;
  forOwnBlocks(thread, (from, to) => (length += to - from));
  const rows = new Int32Array(length);
  let position = 0;
  forOwnBlocks(thread, (from, to) => {
    for (let row = from; row < to; row++) rows[position++] = row;
  });
  return rows;
}

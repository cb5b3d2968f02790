import type { RowFault } from './row-fault.js';

/** Consecutive rows of a file, ready for COPY. */
export interface RowChunk {
  readonly fromRow: number;
  /** Where the next chunk begins. */
  readonly nextRow: number;
  /** Row numbers of the lines, ascending. */
  readonly rowNumbers: readonly number[];
  /** Whole lines of COPY's text format with their line ends; the row number comes first in each. */
  readonly blocks: readonly Buffer[];
  readonly faults: readonly RowFault[];
}

export interface ChunkOptions {
  readonly file: string;
  /** The first row wanted. */
  readonly fromRow: number;
  readonly maxRows: number;
  /** Rows that PostgreSQL refused in an earlier try. */
  readonly refused?: ReadonlyMap<number, RowFault>;
  readonly signal?: AbortSignal | undefined;
}

// A chunk is held in memory until it is committed, and the next one is read meanwhile.
export const MAX_CHUNK_BYTES = 16 << 20;

/** One line of a chunk without its end, counted from 0; undefined when there are fewer. */
export function lineAt({ blocks }: RowChunk, index: number): string | undefined {
  let left = index;
  for (const block of blocks) {
    for (let start = 0; start < block.length; left--) {
      const end = block.indexOf(10, start);
      if (left === 0) return block.toString('utf8', start, end);
      start = end + 1;
    }
  }
  return undefined;
}

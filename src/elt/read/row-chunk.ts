import type { ContractMode } from '../../model/project.js';
import type { RowFault } from './row-fault.js';

/** Consecutive rows of a file, ready for COPY. */
export interface RowChunk {
  readonly fromRow: number;
  /** Where the next chunk begins. */
  readonly nextRow: number;
  /** Row numbers of the lines, ascending. */
  readonly rowNumbers: readonly number[];
  readonly format: CopyFormat;
  /** Whole rows, `text` with their line ends; `wholeCopy` makes a COPY of them. The row number comes first in each row, or behind the load's id. */
  readonly blocks: readonly Buffer[];
  readonly faults: readonly RowFault[];
  /** Values that were left out of the lines, by column. */
  readonly discarded: ReadonlyMap<string, number>;
  /** By column, of the rows in the blocks; missing where nobody counted. */
  readonly nulls?: readonly number[];
}

export type CopyFormat = 'text' | 'binary';

export interface ChunkOptions {
  readonly file: string;
  /** The first row wanted. */
  readonly fromRow: number;
  readonly maxRows: number;
  /** Of the first chunk; each one after it may have twice as many rows as the one before, up to `maxRows`. @default maxRows */
  readonly firstRows?: number;
  /** `binary` is given where it can be. @default 'text' */
  readonly format?: CopyFormat;
  /** Comes before the row number in each line, where several loads share a stage. */
  readonly loadId?: string;
  /** Rows that the file was left without, in order. @default none */
  readonly faults?: readonly RowFault[];
  /** Rows that PostgreSQL refused in an earlier try. */
  readonly refused?: ReadonlyMap<number, RowFault>;
  /** What becomes of a value that does not fit its column's type. @default 'discard_row' */
  readonly types?: ContractMode;
  /** Columns of the source behind those that are read, which have to be empty. */
  readonly unwanted?: {
    readonly names: readonly string[];
    /** A value in one is dropped, or its row is a fault. */
    readonly mode: 'discard_row' | 'discard_value';
  };
  readonly signal?: AbortSignal | undefined;
}

// A chunk is held in memory until it is committed, and the next one is read meanwhile.
export const MAX_CHUNK_BYTES = 16 << 20;

/** One line of a text chunk without its end, counted from 0; undefined when there are fewer. */
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

/** The lines of a text chunk without their ends. */
export function linesOf({ blocks }: RowChunk): string[] {
  return blocks.flatMap((block) => block.toString('utf8').split('\n').slice(0, -1));
}

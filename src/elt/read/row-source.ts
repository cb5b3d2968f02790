import type { ColumnType } from '../../model/project.js';
import type { LoadColumn } from '../schema/column.js';
import type { ClassCounts } from '../schema/infer-types.js';
import type { LineIndex } from './line-index.js';
import type { ChunkOptions, RowChunk } from './row-chunk.js';
import type { StreamFacts } from '../singer/stream-facts.js';
import type { RowFault } from './row-fault.js';

/** A file ready to be read by DuckDB: every column as text, NULL where the file has none. */
export interface RowSource {
  readonly headers: readonly string[];
  /** What stands behind FROM; its columns are c0, c1 … in the order of `headers`. Rows come in the order of the file. */
  readonly relation: string;
  /** Types that the file itself states (Parquet, JSON); the rest is inferred from the text. */
  readonly types: readonly (ColumnType | undefined)[];
  /** Types that inference may choose for a column; undefined for any. */
  readonly allowed: readonly (readonly ColumnType[] | undefined)[];
  /** Data rows, faulty ones included. */
  readonly rows: number;
  /** Rows that `relation` leaves out, in order. */
  readonly faults: readonly RowFault[];
  readonly lineOf: (row: number) => number | null;
  /** What `lineOf` asks, where that can be taken to another thread. */
  readonly lines?: LineIndex;
  /** The rows without DuckDB, with `options.faults` between them, where the file can be read faster so. */
  readonly convert?: (columns: readonly LoadColumn[], options: ChunkOptions) => AsyncGenerator<RowChunk>;
  /**
   * How many values of each column at `positions` fall into each class, without DuckDB, where the file can be read faster so; of a column that is
   * text with this `tolerance` as many as show it.
   */
  readonly classify?: (positions: readonly number[], tolerance: number) => Promise<readonly ClassCounts[]>;
  /** Memory for buffers beyond the usual. */
  readonly extraMemoryMb: number;
  /** How it is read, as the ledger keeps it. */
  readonly dialect: Readonly<Record<string, unknown>>;
  /** Of a Singer stream: what its messages say of the table. */
  readonly stream?: StreamFacts;
  /** What the rows hold and the columns do not, one sentence each. */
  readonly notices?: readonly string[];
  /** Declared columns that are in no row: NULL in all of them. */
  readonly unseen?: readonly string[];
}

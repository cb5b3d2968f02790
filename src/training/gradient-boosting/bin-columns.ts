import { findBinBounds } from './find-bin-bounds.js';
import { uniform } from './row-hash.js';
import { BIN_ROOM, FEATURES_IN_WORD } from './training-memory.js';
import type { Thread } from './thread.js';

// LightGBM's bin_construct_sample_cnt.
const SAMPLE_ROWS = 200_000;

/** The features that vary, and where their bins lie in `memory.words`. */
export interface BinnedColumns {
  /** Feature numbers in ascending order; the position in this list is the byte in the row. */
  readonly features: Int32Array;
  readonly wordsInRow: number;
}

/**
 * Fills `bounds`, `binCounts`, `hasMissing` and `words`: each thread finds the bounds of its features, then, after a
 * barrier, writes the bins of its stretch of rows. Features with a single bin are left out.
 */
export function binColumns(
  thread: Thread,
  options: { readonly maxBins: number; readonly seed: number },
): BinnedColumns {
  const { memory } = thread;
  for (let feature = thread.index; feature < memory.features; feature += thread.count) {
    boundFeature(thread, feature, options);
  }
  thread.barrier();
  const features = Int32Array.from(
    Array.from(memory.columns.keys()).filter((feature) => memory.binCounts[feature]! + memory.hasMissing[feature]! > 1),
  );
  const wordsInRow = Math.ceil(features.length / FEATURES_IN_WORD);
  features.forEach((feature, position) => writeBins(thread, feature, position, wordsInRow));
  thread.barrier();
  return { features, wordsInRow };
}

function boundFeature(
  { memory }: Thread,
  feature: number,
  { maxBins, seed }: { readonly maxBins: number; readonly seed: number },
): void {
  const column = memory.columns[feature]!;
  let missing = 0;
  for (let row = 0; row < column.length; row++) if (Number.isNaN(column[row]!)) missing = 1;
  const bounds = findBinBounds(sortedSample(column, seed), Math.max(1, maxBins - missing));
  memory.hasMissing[feature] = missing;
  memory.binCounts[feature] = bounds.length;
  const room = memory.bounds.subarray(feature * BIN_ROOM, (feature + 1) * BIN_ROOM);
  room.fill(Infinity);
  room.set(bounds);
}

/** Values of at most SAMPLE_ROWS rows spread evenly, missing left out, ascending. */
function sortedSample(column: Float32Array, seed: number): Float32Array {
  const rows = column.length;
  const take = Math.min(rows, SAMPLE_ROWS);
  const sample = new Float32Array(take);
  let length = 0;
  for (let index = 0; index < take; index++) {
    const row = take === rows ? index : Math.floor(((index + uniform(seed, index)) * rows) / take);
    const value = column[row]!;
    if (!Number.isNaN(value)) sample[length++] = value;
  }
  return sample.subarray(0, length).sort();
}

function writeBins({ memory, index, count }: Thread, feature: number, position: number, wordsInRow: number): void {
  const column = memory.columns[feature]!;
  const bounds = memory.bounds.slice(feature * BIN_ROOM, (feature + 1) * BIN_ROOM);
  const missingBin = memory.binCounts[feature]!;
  // Node runs on little-endian machines only: byte p % 4 of a word is its bits 8(p % 4) to 8(p % 4) + 7.
  const bytes = new Uint8Array(memory.words.buffer);
  const bytesInRow = wordsInRow * FEATURES_IN_WORD;
  const from = Math.floor((memory.rows * index) / count);
  const to = Math.floor((memory.rows * (index + 1)) / count);
  for (let row = from; row < to; row++) {
    const value = column[row]!;
    let bin = missingBin;
    if (value === value) {
      bin = 0;
      // The first bound that is not below the value: eight halvings of 256.
      for (let half = BIN_ROOM / 2; half > 0; half >>= 1) if (bounds[bin + half - 1]! < value) bin += half;
    }
    bytes[row * bytesInRow + position] = bin;
  }
}

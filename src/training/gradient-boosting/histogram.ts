import { BIN_ROOM, FEATURES_IN_WORD } from './training-memory.js';

/** Rows of a leaf within one thread: `rows[from..to)`. */
export interface LeafRows {
  readonly rows: Int32Array;
  readonly from: number;
  readonly to: number;
}

const WORD_ROOM = FEATURES_IN_WORD * BIN_ROOM;

/**
 * Sums the packed values of the rows by feature and bin into `histogram`, which is cleared first.
 * Layout: value `v` of bin `b` of the feature at position `p` is at ((p × BIN_ROOM) + b) × values + v.
 * O(rows × features); the innermost loop of training.
 */
export function buildHistogram(
  histogram: Float64Array,
  leaf: LeafRows,
  words: Int32Array,
  wordsInRow: number,
  packed: readonly Float64Array[],
): void {
  const [first, second] = packed;
  histogram.fill(0);
  if (second === undefined) addOneValue(histogram, leaf, words, wordsInRow, first!);
  else addTwoValues(histogram, leaf, words, wordsInRow, first!, second);
}

// Row after row, not feature after feature: neighbouring additions go to different bins, so none waits for the last.
function addOneValue(
  histogram: Float64Array,
  { rows, from, to }: LeafRows,
  words: Int32Array,
  wordsInRow: number,
  first: Float64Array,
): void {
  for (let index = from; index < to; index++) {
    const row = rows[index]!;
    const value = first[row]!;
    const start = row * wordsInRow;
    for (let word = 0; word < wordsInRow; word++) {
      const bins = words[start + word]!;
      const offset = word * WORD_ROOM;
      histogram[offset + (bins & 255)]! += value;
      histogram[offset + BIN_ROOM + ((bins >>> 8) & 255)]! += value;
      histogram[offset + 2 * BIN_ROOM + ((bins >>> 16) & 255)]! += value;
      histogram[offset + 3 * BIN_ROOM + (bins >>> 24)]! += value;
    }
  }
}

function addTwoValues(
  histogram: Float64Array,
  { rows, from, to }: LeafRows,
  words: Int32Array,
  wordsInRow: number,
  first: Float64Array,
  second: Float64Array,
): void {
  for (let index = from; index < to; index++) {
    const row = rows[index]!;
    const gradient = first[row]!;
    const hessian = second[row]!;
    const start = row * wordsInRow;
    for (let word = 0; word < wordsInRow; word++) {
      const bins = words[start + word]!;
      const offset = 2 * word * WORD_ROOM;
      // 2 × bin: the shift is one less and the mask clears the low bit
      const a = offset + ((bins << 1) & 510);
      const b = offset + 2 * BIN_ROOM + ((bins >>> 7) & 510);
      const c = offset + 4 * BIN_ROOM + ((bins >>> 15) & 510);
      const d = offset + 6 * BIN_ROOM + ((bins >>> 23) & 510);
      histogram[a]! += gradient;
      histogram[a + 1]! += hessian;
      histogram[b]! += gradient;
      histogram[b + 1]! += hessian;
      histogram[c]! += gradient;
      histogram[c + 1]! += hessian;
      histogram[d]! += gradient;
      histogram[d + 1]! += hessian;
    }
  }
}

/** Adds up the threads' histograms between two indices into `total`. */
export function sumHistograms(total: Float64Array, parts: readonly Float64Array[], from: number, to: number): void {
  for (let index = from; index < to; index++) {
    let sum = 0;
    for (const part of parts) sum += part[index]!;
    total[index] = sum;
  }
}

/** Turns the parent's histogram into the other child's: parent − child, exact because the values are whole numbers. */
export function subtractHistogram(parent: Float64Array, child: Float64Array, from: number, to: number): void {
  for (let index = from; index < to; index++) parent[index]! -= child[index]!;
}

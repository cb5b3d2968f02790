/** LightGBM's min_data_in_bin: rarer neighbouring values share a bin. */
const MIN_VALUES_IN_BIN = 3;

/**
 * Upper bounds of histogram bins over a sample of one feature, as LightGBM makes them (FindBinWithZeroAsOneBin): zero
 * has a bin of its own, and the values on either side get bins in proportion to their number: a bin a value when the
 * values are few, else about equal counts with a bin of its own for every frequent value.
 *
 * A bound is the midpoint of two neighbouring values rounded down to float32, so that `x <= bound` in float32 parts
 * the values as training did. The last bound is Infinity.
 *
 * @param sorted ascending, finite or infinite, without NaN; may be empty
 * @param maxBins at least 1
 */
export function findBinBounds(sorted: Float32Array, maxBins: number): Float32Array {
  const all = distinct(sorted);
  const cuts = findCuts(all, maxBins);
  const bounds = new Float32Array(cuts.length + 1).fill(Infinity);
  cuts.forEach((after, bin) => (bounds[bin] = midpoint(all.values[after]!, all.values[after + 1]!)));
  return bounds;
}

/** Positions in `values` after which a bin ends. */
function findCuts({ values, counts }: Distinct, maxBins: number): number[] {
  const negatives = values.filter((value) => value < 0).length;
  const zeros = values.filter((value) => value === 0).length;
  const firstPositive = negatives + zeros;
  const positives = values.length - firstPositive;
  // LightGBM sets the bin of zero aside even when no value is zero; only of two bins that would leave too few.
  const bins = zeros > 0 || maxBins > 2 ? maxBins - 1 : maxBins;
  const nonZero = sum(counts) - sum(counts.slice(negatives, firstPositive));
  const negativeBins = Math.max(1, Math.floor((sum(counts.slice(0, negatives)) / nonZero) * bins));
  const cuts: number[] = [];
  if (negatives > 0 && maxBins > 1) {
    cuts.push(...cutsOf(counts.slice(0, negatives), negativeBins));
    if (negatives < values.length) cuts.push(negatives - 1);
  }
  const restBins = bins - cuts.length;
  if (positives > 0 && restBins > 0) {
    if (zeros > 0) cuts.push(firstPositive - 1);
    cuts.push(...cutsOf(counts.slice(firstPositive), restBins).map((cut) => firstPositive + cut));
  }
  return cuts;
}

/** LightGBM's GreedyFindBin. */
function cutsOf(counts: readonly number[], maxBins: number): number[] {
  return counts.length <= maxBins ? cutsOfFewValues(counts) : cutsOfManyValues(counts, maxBins);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((a, b) => a + b, 0);
}

interface Distinct {
  readonly values: number[];
  readonly counts: number[];
}

function distinct(sorted: Float32Array): Distinct {
  const values: number[] = [];
  const counts: number[] = [];
  for (const value of sorted) {
    if (values.length > 0 && values.at(-1) === value) counts[counts.length - 1]!++;
    else {
      values.push(value);
      counts.push(1);
    }
  }
  return { values, counts };
}

function cutsOfFewValues(counts: readonly number[]): number[] {
  const cuts: number[] = [];
  let inBin = 0;
  for (let index = 0; index < counts.length - 1; index++) {
    inBin += counts[index]!;
    if (inBin < MIN_VALUES_IN_BIN) continue;
    cuts.push(index);
    inBin = 0;
  }
  return cuts;
}

function cutsOfManyValues(counts: readonly number[], maxBins: number): number[] {
  const total = sum(counts);
  const bins = Math.max(1, Math.min(maxBins, Math.floor(total / MIN_VALUES_IN_BIN)));
  const isFrequent = counts.map((count) => count >= total / bins);
  let restBins = bins;
  let restCount = total;
  counts.forEach((count, index) => {
    if (!isFrequent[index]) return;
    restBins--;
    restCount -= count;
  });
  let meanSize = restCount / restBins;
  const cuts: number[] = [];
  let inBin = 0;
  for (let index = 0; index < counts.length - 1 && cuts.length < bins - 1; index++) {
    if (!isFrequent[index]) restCount -= counts[index]!;
    inBin += counts[index]!;
    const isFull = inBin >= meanSize || (isFrequent[index + 1]! && inBin >= Math.max(1, meanSize * 0.5));
    if (!isFrequent[index] && !isFull) continue;
    cuts.push(index);
    inBin = 0;
    if (isFrequent[index]) continue;
    restBins--;
    meanSize = restCount / restBins;
  }
  return cuts;
}

/** The largest float32 not above the midpoint of a < b, both float32; it is at least a and below b. */
function midpoint(a: number, b: number): number {
  const middle = (a + b) / 2;
  if (!Number.isFinite(middle)) return a;
  const rounded = Math.fround(middle);
  if (rounded <= middle) return rounded;
  return Math.max(a, nextBelow(rounded));
}

const bits = new DataView(new ArrayBuffer(4));

function nextBelow(value: number): number {
  if (value === 0) return -1.401298464324817e-45; // smallest float32 below zero
  bits.setFloat32(0, value);
  bits.setInt32(0, bits.getInt32(0) + (value > 0 ? -1 : 1));
  return bits.getFloat32(0);
}

import type { BoostingParameters } from './boosting-model.js';
import { type GradientSums, type Quantisation } from './gradients.js';
import { BIN_ROOM, SPLIT_FIELDS, histogramValues, type TrainingMemory } from './training-memory.js';

/** The best way found to part a leaf in two. */
export interface Split {
  /** Fall of the loss, in units of the objective; above 0. */
  readonly gain: number;
  /** Position among the features that vary. */
  readonly position: number;
  /** Bins up to this one go left. */
  readonly bin: number;
  readonly missingLeft: boolean;
  readonly left: GradientSums;
}

export interface SplitSearch {
  readonly memory: TrainingMemory;
  readonly parameters: BoostingParameters;
  readonly quantisation: Quantisation;
  readonly features: Int32Array;
}

// A gain this small beside the leaf's own score is rounding: the children have the parent's mean.
const SMALLEST_RELATIVE_GAIN = 1e-12;

const gradients = new Float64Array(BIN_ROOM);
const hessians = new Float64Array(BIN_ROOM);
const counts = new Float64Array(BIN_ROOM);

/**
 * The best split of a leaf over features `from` to `to` (positions), or undefined when none is allowed or lowers the
 * loss. Gain: G_l²/(H_l+λ) + G_r²/(H_r+λ) − G²/(H+λ). Equal gains: lower feature, then missing left, then higher bin.
 */
export function findBestSplit(
  search: SplitSearch,
  histogram: Float64Array,
  sums: GradientSums,
  from: number,
  to: number,
): Split | undefined {
  let best: Split | undefined;
  for (let position = from; position < to; position++) {
    best = betterOf(best, bestOfFeature(search, histogram, sums, position));
  }
  return best;
}

/** The split of larger gain; of equal gains the first. */
export function betterOf(first: Split | undefined, second: Split | undefined): Split | undefined {
  if (first === undefined) return second;
  return second !== undefined && second.gain > first.gain ? second : first;
}

function bestOfFeature(
  { memory, parameters, quantisation, features }: SplitSearch,
  histogram: Float64Array,
  sums: GradientSums,
  position: number,
): Split | undefined {
  const feature = features[position]!;
  const bins = memory.binCounts[feature]!;
  const hasMissing = memory.hasMissing[feature]! === 1;
  unpackBins(memory, quantisation, histogram, position, bins + (hasMissing ? 1 : 0));
  const { gradientUnit, hessianUnit } = quantisation;
  const { minSamplesLeaf, minSumHessian, l2 } = parameters;
  const score = (gradient: number, hessian: number): number => {
    const g = gradient * gradientUnit;
    return (g * g) / (hessian * hessianUnit + l2);
  };
  const parentScore = score(sums.gradient, sums.hessian);
  const minHessian = Math.max(1, minSumHessian / hessianUnit);
  let bestScore = parentScore + SMALLEST_RELATIVE_GAIN * parentScore;
  let bestBin = -1;
  let missingLeft = false;
  let left: GradientSums = sums;

  // From the right: the missing values stay with the left.
  let gradient = 0;
  let hessian = 0;
  let count = 0;
  for (let bin = bins - 1; bin > 0; bin--) {
    gradient += gradients[bin]!;
    hessian += hessians[bin]!;
    count += counts[bin]!;
    if (count < minSamplesLeaf || hessian < minHessian) continue;
    if (sums.count - count < minSamplesLeaf || sums.hessian - hessian < minHessian) break;
    const current = score(gradient, hessian) + score(sums.gradient - gradient, sums.hessian - hessian);
    if (current <= bestScore) continue;
    bestScore = current;
    bestBin = bin - 1;
    missingLeft = true;
    left = { gradient: sums.gradient - gradient, hessian: sums.hessian - hessian, count: sums.count - count };
  }

  // From the left: the missing values go right; the last cut parts them from all others.
  const missingCount = hasMissing ? counts[bins]! : 0;
  if (missingCount > 0) {
    gradient = hessian = count = 0;
    for (let bin = 0; bin < bins; bin++) {
      gradient += gradients[bin]!;
      hessian += hessians[bin]!;
      count += counts[bin]!;
      if (count < minSamplesLeaf || hessian < minHessian) continue;
      if (sums.count - count < minSamplesLeaf || sums.hessian - hessian < minHessian) break;
      const current = score(gradient, hessian) + score(sums.gradient - gradient, sums.hessian - hessian);
      if (current <= bestScore) continue;
      bestScore = current;
      bestBin = bin;
      missingLeft = false;
      left = { gradient, hessian, count };
    }
  }
  if (bestBin < 0) return undefined;
  // A feature that is never missing in training follows the majority; LightGBM would take the value for 0.
  if (!hasMissing) missingLeft = left.count * 2 >= sums.count;
  return { gain: bestScore - parentScore, position, bin: bestBin, missingLeft, left };
}

function unpackBins(
  { objective }: TrainingMemory,
  { countRadix }: Quantisation,
  histogram: Float64Array,
  position: number,
  bins: number,
): void {
  const values = histogramValues(objective);
  let index = position * BIN_ROOM * values;
  for (let bin = 0; bin < bins; bin++, index += values) {
    const packed = histogram[index + values - 1]!;
    const high = Math.floor(packed / countRadix);
    const count = packed - high * countRadix;
    counts[bin] = count;
    gradients[bin] = values === 1 ? high : histogram[index]!;
    hessians[bin] = values === 1 ? count : high;
  }
}

/** Puts a split (or none) where the other threads read it. */
export function writeSplit(memory: TrainingMemory, slot: number, split: Split | undefined): void {
  const at = slot * SPLIT_FIELDS;
  memory.splits[at] = split?.gain ?? 0;
  if (split === undefined) return;
  const { position, bin, missingLeft, left } = split;
  memory.splits.set([position, bin, missingLeft ? 1 : 0, left.gradient, left.hessian, left.count], at + 1);
}

export function readSplit(memory: TrainingMemory, slot: number): Split | undefined {
  const at = slot * SPLIT_FIELDS;
  const [gain, position, bin, missingLeft, gradient, hessian, count] = memory.splits.subarray(at, at + SPLIT_FIELDS);
  if (gain === 0) return undefined;
  return {
    gain: gain!,
    position: position!,
    bin: bin!,
    missingLeft: missingLeft === 1,
    left: { gradient: gradient!, hessian: hessian!, count: count! },
  };
}

import type { Task } from '../../model/training-set.js';
import { findRows } from '../../table/find-rows.js';
import { Pace } from '../../table/pace.js';
import { sortNumbers } from '../../table/sort-paced.js';
import { countBelow, countUpTo } from './count-sorted.js';

/** Fewer held-out rows, or rows of one class, say nothing about a predictor. */
const MIN_ROWS = 20;
const MIN_CLASS_ROWS = 5;

/**
 * R² (regression) or area under the ROC curve (binary, the better of the two directions) of `predictions` on the rows
 * given. NaN when there are too few. Rows without a prediction are left out.
 */
export async function heldOutScore(
  task: Task,
  target: Float64Array,
  predictions: Float64Array,
  rows: Int32Array,
  pace = new Pace(),
): Promise<number> {
  const kept = await findRows(rows.length, (index) => !Number.isNaN(predictions[rows[index]!]), pace);
  const present = kept.map((index) => rows[index]!);
  if (present.length < MIN_ROWS) return NaN;
  return task === 'regression'
    ? rSquared(target, predictions, present, pace)
    : areaUnderCurve(target, predictions, present, pace);
}

/** Whether rows are enough for a score: 20, and five of each class, or two different targets. */
export function canScore(task: Task, target: Float64Array, rows: Int32Array): boolean {
  if (rows.length < MIN_ROWS) return false;
  if (task === 'regression') return rows.some((row) => target[row] !== target[rows[0]!]);
  const positives = rows.reduce((sum, row) => sum + target[row]!, 0);
  return Math.min(positives, rows.length - positives) >= MIN_CLASS_ROWS;
}

async function rSquared(
  target: Float64Array,
  predictions: Float64Array,
  rows: Int32Array,
  pace: Pace,
): Promise<number> {
  let sum = 0;
  const addTargets = (from: number, to: number): void => {
    for (let index = from; index < to; index++) sum += target[rows[index]!]!;
  };
  await pace.overRows(rows.length, addTargets);
  const mean = sum / rows.length;
  let residual = 0;
  let total = 0;
  const addSquares = (from: number, to: number): void => {
    for (let index = from; index < to; index++) {
      const row = rows[index]!;
      residual += (target[row]! - predictions[row]!) ** 2;
      total += (target[row]! - mean) ** 2;
    }
  };
  await pace.overRows(rows.length, addSquares, 2);
  return total === 0 ? NaN : 1 - residual / total;
}

/** Mann–Whitney: the mean rank of the positives, ties sharing their ranks. */
async function areaUnderCurve(
  target: Float64Array,
  predictions: Float64Array,
  rows: Int32Array,
  pace: Pace,
): Promise<number> {
  const ranks = await averageRanks(pick(predictions, rows), pace);
  let positives = 0;
  let rankSum = 0;
  rows.forEach((row, index) => {
    if (target[row] !== 1) return;
    positives++;
    rankSum += ranks[index]!;
  });
  await pace.after(rows.length);
  const negatives = rows.length - positives;
  if (positives < MIN_CLASS_ROWS || negatives < MIN_CLASS_ROWS) return NaN;
  const area = (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
  return Math.max(area, 1 - area);
}

/** Ranks from 1; equal values share the mean of theirs. No value is NaN. */
export async function averageRanks(values: Float64Array, pace = new Pace()): Promise<Float64Array> {
  const sorted = await sortNumbers(values.slice(), pace);
  const ranks = new Float64Array(values.length);
  const rank = (from: number, to: number): void => {
    for (let index = from; index < to; index++) {
      const value = values[index]!;
      ranks[index] = (countBelow(sorted, value) + 1 + countUpTo(sorted, value)) / 2;
    }
  };
  // Two searches of some twenty steps each.
  await pace.overRows(values.length, rank, 16);
  return ranks;
}

/** Rows of the sample that `sameOrder` looks at first. */
const SAMPLE = 16_384;

/**
 * Whether |Spearman's ρ| is at least `least`. Of many rows a sample (one of each stretch, at shifting places, so that no
 * period of the data is met) is ranked first: where it stays under 0.99 all rows cannot reach 0.9999 and are not ranked.
 */
export async function sameOrder(a: Float64Array, b: Float64Array, least: number, pace = new Pace()): Promise<boolean> {
  const stretch = a.length / SAMPLE;
  if (stretch > 2) {
    const golden = (Math.sqrt(5) - 1) / 2;
    const rows = Int32Array.from({ length: SAMPLE }, (_row, index) => (index + ((index * golden) % 1)) * stretch);
    if ((await rankCorrelation(pick(a, rows), pick(b, rows), pace)) < 0.99) return false;
  }
  return (await rankCorrelation(a, b, pace)) >= least;
}

/** Spearman's ρ over the rows where both are present, in absolute value; NaN when one is constant or fewer than 20 are. */
export async function rankCorrelation(a: Float64Array, b: Float64Array, pace = new Pace()): Promise<number> {
  const rows = await findRows(a.length, (row) => !Number.isNaN(a[row]) && !Number.isNaN(b[row]), pace);
  if (rows.length < MIN_ROWS) return NaN;
  const x = await averageRanks(pick(a, rows), pace);
  const y = await averageRanks(pick(b, rows), pace);
  const mean = (rows.length + 1) / 2;
  let xy = 0;
  let xx = 0;
  let yy = 0;
  for (let index = 0; index < x.length; index++) {
    xy += (x[index]! - mean) * (y[index]! - mean);
    xx += (x[index]! - mean) ** 2;
    yy += (y[index]! - mean) ** 2;
  }
  await pace.after(x.length);
  return xx === 0 || yy === 0 ? NaN : Math.abs(xy) / Math.sqrt(xx * yy);
}

function pick(values: Float64Array, rows: Int32Array): Float64Array {
  const picked = new Float64Array(rows.length);
  for (let index = 0; index < rows.length; index++) picked[index] = values[rows[index]!]!;
  return picked;
}

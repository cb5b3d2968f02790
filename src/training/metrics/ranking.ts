import { findRows } from '../../table/find-rows.js';
import type { Pace } from '../../table/pace.js';
import { sortNumbers } from '../../table/sort-paced.js';

/** How many truths of each class share one score. */
export interface ScoreGroup {
  readonly positives: number;
  readonly negatives: number;
}

/** Rows grouped by equal score, highest score first. O(n log n). */
export async function groupByScore(y: Float64Array, scores: Float64Array, pace: Pace): Promise<ScoreGroup[]> {
  const positiveRows = await findRows(y.length, (row) => y[row] === 1, pace);
  const negativeRows = await findRows(y.length, (row) => y[row] !== 1, pace);
  const positives = await sortNumbers(pick(scores, positiveRows), pace);
  const negatives = await sortNumbers(pick(scores, negativeRows), pace);
  const groups: ScoreGroup[] = [];
  let positivesLeft = positives.length;
  let negativesLeft = negatives.length;
  while (positivesLeft + negativesLeft > 0) {
    const score = Math.max(positives[positivesLeft - 1] ?? -Infinity, negatives[negativesLeft - 1] ?? -Infinity);
    const before = { positives: positivesLeft, negatives: negativesLeft };
    while (positivesLeft > 0 && positives[positivesLeft - 1]! >= score) positivesLeft--;
    while (negativesLeft > 0 && negatives[negativesLeft - 1]! >= score) negativesLeft--;
    groups.push({ positives: before.positives - positivesLeft, negatives: before.negatives - negativesLeft });
    if (groups.length % GROUPS === 0) await pace.after(GROUPS);
  }
  return groups;
}

/** Groups made before the event loop may get a turn. */
const GROUPS = 4096;

function pick(values: Float64Array, rows: Int32Array): Float64Array {
  const picked = new Float64Array(rows.length);
  for (let index = 0; index < rows.length; index++) picked[index] = values[rows[index]!]!;
  return picked;
}

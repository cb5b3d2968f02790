import type { Task } from '../../model/training-set.js';
import type { Pace } from '../../table/pace.js';
import { sortRows } from '../../table/sort-paced.js';
import { canScore } from './held-out-score.js';

/** Parts of all rows, the latest, that are tried in place of test rows that are too few. */
const LATEST_SHARES = [0.2, 0.35, 0.5];

export interface ScoredRows {
  /** Rows that the rules learn from; all earlier than those below. */
  readonly fit: Int32Array;
  /** Rows that they are scored on. */
  readonly scored: Int32Array;
}

/**
 * Training and test rows, as long as both can be scored. Where events are rare or the test period is short, all rows are cut
 * in time instead, as late as both sides allow; undefined when no cut does. `target` and `times` have length n.
 */
export async function chooseScoredRows(
  task: Task,
  target: Float64Array,
  times: Float64Array,
  { train, test }: { readonly train: Int32Array; readonly test: Int32Array },
  pace: Pace,
): Promise<ScoredRows | undefined> {
  const canUse = ({ fit, scored }: ScoredRows): boolean =>
    canScore(task, target, fit) && canScore(task, target, scored);
  const given = { fit: train, scored: test };
  if (canUse(given)) return given;
  const inOrder = new Int32Array(train.length + test.length);
  inOrder.set(train);
  inOrder.set(test, train.length);
  await sortRows(inOrder, (a, b) => times[a]! - times[b]!, pace);
  for (const share of LATEST_SHARES) {
    const cut = Math.floor(inOrder.length * (1 - share));
    const rows = { fit: inOrder.subarray(0, cut), scored: inOrder.subarray(cut) };
    if (canUse(rows)) return rows;
  }
  return undefined;
}

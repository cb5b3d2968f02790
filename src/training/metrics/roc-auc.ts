import { Pace } from '../../table/pace.js';
import { groupByScore } from './ranking.js';

/** Chance that a random positive scores above a random negative, ties counting one half; NaN when a class is absent. */
export async function rocAuc(y: Float64Array, scores: Float64Array, pace = new Pace()): Promise<number> {
  let positives = 0;
  let negatives = 0;
  let area = 0;
  for (const group of await groupByScore(y, scores, pace)) {
    area += group.negatives * (positives + group.positives / 2);
    positives += group.positives;
    negatives += group.negatives;
  }
  return positives === 0 || negatives === 0 ? NaN : area / (positives * negatives);
}

import { Pace } from '../../table/pace.js';
import { groupByScore } from './ranking.js';

/** Precision averaged over the steps in recall, without interpolation (as scikit-learn); NaN without a positive. */
export async function averagePrecision(y: Float64Array, scores: Float64Array, pace = new Pace()): Promise<number> {
  let found = 0;
  let seen = 0;
  let sum = 0;
  for (const group of await groupByScore(y, scores, pace)) {
    found += group.positives;
    seen += group.positives + group.negatives;
    sum += group.positives * (found / seen);
  }
  return found === 0 ? NaN : sum / found;
}

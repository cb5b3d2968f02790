import { missingIntervalsInput, type MissingIntervals, type MissingIntervalsInput } from '../contracts/intervals.js';
import { instant, type DataInterval } from '../model/data-interval.js';
import { isWanted, planIntervals, type PlannedInterval } from '../model/plan-intervals.js';
import { partName } from '../model/selection.js';
import { listIntervals } from '../storage/intervals.js';
import { findSchedule } from '../storage/schedules.js';
import type { ActivityDependencies } from './dependencies.js';
import { shortActivity } from './short-activity.js';

export type IntervalActivities = ReturnType<typeof createIntervalActivities>;

/** Given to a workflow at once: its history stays small however much is missing. */
const AT_ONCE = 50;
const COUNTED = 10_000;

export function createIntervalActivities({ database }: Pick<ActivityDependencies, 'database'>) {
  return {
    /**
     * The oldest intervals that are over and not done; where it is asked for, those that failed before apart. Reads only; a
     * second attempt may see more of them done.
     */
    async findMissingIntervals(input: MissingIntervalsInput): Promise<MissingIntervals> {
      return shortActivity('intervals', async () => {
        const { env, project, grid, schedule, from, until, after, failedOnly, failedApart, again, ...selection } =
          missingIntervalsInput.parse(input);
        const begin =
          schedule === undefined ? instant(from!) : (await findSchedule(database, { env, project }, schedule))?.since;
        // A schedule that was deleted while it started has nothing to do any more.
        if (begin === undefined) return { intervals: [], total: 0 };
        // What ends after `after` and starts before it was tried already.
        const range = { from: Math.max(begin, after === undefined ? 0 : instant(after)), until: instant(until) };
        const records = await listIntervals(database, { env, project, part: partName(selection) }, range);
        const intervals = [];
        const failed: PlannedInterval[] = [];
        let total = 0;
        for (const planned of planIntervals(grid, range, records)) {
          const { interval, state } = planned;
          if (failedApart === true && state === 'failed') {
            failed.push(planned);
            continue;
          }
          if (after !== undefined && instant(interval.start) < instant(after)) continue;
          if (!isWanted(planned, { failedOnly, again })) continue;
          if (intervals.length < AT_ONCE) intervals.push(interval);
          if (++total === COUNTED) break;
        }
        return { intervals, total, ...(failedApart === true ? { failed: longestAgo(failed) } : {}) };
      });
    },
  };
}

/** Each gets its turn, however many others fail again: whoever was tried goes behind those that were not. */
function longestAgo(failed: readonly PlannedInterval[]): DataInterval[] {
  const inTurn = [...failed].sort((one, other) => one.takenAt! - other.takenAt!);
  return inTurn.slice(0, AT_ONCE).map(({ interval }) => interval);
}

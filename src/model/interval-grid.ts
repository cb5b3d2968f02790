import { DateTime, type DurationLikeObject } from 'luxon';
import { isoTime, type DataInterval } from './data-interval.js';

export const INTERVAL_LENGTHS = ['hourly', 'daily', 'weekly', 'monthly'] as const;
export type IntervalLength = (typeof INTERVAL_LENGTHS)[number];

/**
 * Time cut into intervals without gap or overlap. Days, weeks (from Monday) and months are those of the timezone, so a day
 * may have 23 or 25 hours. Hours are those of UTC: no hour is missing or doubled when clocks change.
 */
export interface IntervalGrid {
  readonly length: IntervalLength;
  readonly timezone: string;
}

const UNIT = { daily: 'day', weekly: 'week', monthly: 'month' } as const;
const STEP: Readonly<Record<keyof typeof UNIT, DurationLikeObject>> = {
  daily: { days: 1 },
  weekly: { weeks: 1 },
  monthly: { months: 1 },
};

/** The interval that holds the moment `at`, in milliseconds since 1970. */
export function intervalAt(grid: IntervalGrid, at: number): DataInterval {
  const start = boundaryBefore(grid, at);
  return between(grid, start, boundaryAfter(grid, start));
}

/** The last interval that has ended at the moment `at`; an interval that ends at `at` has ended. */
export function lastCompleteInterval(grid: IntervalGrid, at: number): DataInterval {
  return intervalAt(grid, boundaryBefore(grid, at).toMillis() - 1);
}

/** Every interval that ends after `from` and has ended at `until`, in order. One that began before `from` is among them. */
export function* intervalsBetween(grid: IntervalGrid, from: number, until: number): Generator<DataInterval> {
  for (let start = boundaryBefore(grid, from); ;) {
    const end = boundaryAfter(grid, start);
    if (end.toMillis() > until) return;
    yield between(grid, start, end);
    start = end;
  }
}

function between({ timezone }: IntervalGrid, start: DateTime, end: DateTime): DataInterval {
  return { start: isoTime(start.setZone(timezone)), end: isoTime(end.setZone(timezone)), timezone };
}

/** The last boundary at or before `at`. */
function boundaryBefore(grid: IntervalGrid, at: number): DateTime {
  if (grid.length === 'hourly') return DateTime.fromMillis(Math.floor(at / HOUR_MS) * HOUR_MS);
  const start = DateTime.fromMillis(at, { zone: grid.timezone }).startOf(UNIT[grid.length]);
  // Where clocks go back at midnight, a day has two of them: the first one begins it.
  const earlier = start.minus({ hours: 1 });
  return earlier.toISODate() === start.toISODate() ? earlier.startOf(UNIT[grid.length]) : start;
}

function boundaryAfter(grid: IntervalGrid, start: DateTime): DateTime {
  if (grid.length === 'hourly') return start.plus(HOUR_MS);
  // From the middle of a day no change of clocks leads to the same day or to the next but one.
  return boundaryBefore(grid, start.plus({ ...STEP[grid.length], hours: 12 }).toMillis());
}

const HOUR_MS = 3_600_000;

import { instant, type DataInterval } from './data-interval.js';
import { intervalsBetween, type IntervalGrid } from './interval-grid.js';

/** A range of time that runs were about, as it is recorded. */
export interface IntervalRecord {
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  readonly state: 'running' | 'done' | 'failed';
  /** The newest run about it. */
  readonly runId: string;
}

export interface PlannedInterval {
  readonly interval: DataInterval;
  readonly state: IntervalRecord['state'] | 'missing';
  readonly runId?: string;
}

/**
 * The grid's intervals in a range, with what became of them. Done is what records that are done cover, whatever their
 * lengths: 24 hours make a day. Gives one after the other, so that whoever needs a few does not wait for all.
 *
 * @param records sorted by their start
 */
export function* planIntervals(
  grid: IntervalGrid,
  range: { readonly from: number; readonly until: number },
  records: readonly IntervalRecord[],
): Generator<PlannedInterval> {
  const done = joined(records.filter(({ state }) => state === 'done'));
  const others = new Map(records.map((record) => [`${record.start}/${record.end}`, record]));
  let next = 0;
  for (const interval of intervalsBetween(grid, range.from, range.until)) {
    const [start, end] = [instant(interval.start), instant(interval.end)];
    while (next < done.length && done[next]!.end <= start) next++;
    const cover = done[next];
    const record = others.get(`${start}/${end}`);
    const run = record === undefined ? {} : { runId: record.runId };
    if (cover !== undefined && cover.start <= start && end <= cover.end) yield { interval, state: 'done', ...run };
    else yield { interval, state: record === undefined || record.state === 'done' ? 'missing' : record.state, ...run };
  }
}

/** Ranges that meet or overlap, as one. */
function joined(spans: readonly IntervalRecord[]): { start: number; end: number }[] {
  const result: { start: number; end: number }[] = [];
  for (const { start, end } of spans) {
    const last = result.at(-1);
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else result.push({ start, end });
  }
  return result;
}

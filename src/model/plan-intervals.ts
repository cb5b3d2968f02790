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
  /** When that run took it, milliseconds since 1970. */
  readonly takenAt: number;
}

export interface PlannedInterval {
  readonly interval: DataInterval;
  readonly state: IntervalRecord['state'] | 'missing';
  /** Of the newest run about it, where there was one. */
  readonly runId?: string;
  readonly takenAt?: number;
}

/**
 * The grid's intervals in a range, with what became of them. Done is what records that are done cover, whatever their
 * lengths: 24 hours make a day. What was done and failed when it was done again has failed. Gives one after the other, so
 * that whoever needs a few does not wait for all.
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
    const run = record === undefined ? {} : { runId: record.runId, takenAt: record.takenAt };
    const isCovered = cover !== undefined && cover.start <= start && end <= cover.end;
    const by = isCovered && record?.state === 'failed' ? newestDone(records, start, end) : undefined;
    if (by !== undefined && by.takenAt > record!.takenAt)
      yield { interval, state: 'done', runId: by.runId, takenAt: by.takenAt };
    else if (isCovered && by === undefined) yield { interval, state: 'done', ...run };
    else yield { interval, state: record === undefined || record.state === 'done' ? 'missing' : record.state, ...run };
  }
}

function newestDone(records: readonly IntervalRecord[], from: number, until: number): IntervalRecord | undefined {
  const done = records.filter(({ state, start, end }) => state === 'done' && start < until && end > from);
  return done.reduce<IntervalRecord | undefined>(
    (a, b) => (a !== undefined && a.takenAt > b.takenAt ? a : b),
    undefined,
  );
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

import { instant, type DataInterval } from './data-interval.js';
import { intervalsBetween, type IntervalGrid } from './interval-grid.js';

/** Who gave an interval up, and why. */
export interface Skip {
  readonly by: string;
  readonly reason: string;
}

/** A range of time that runs were about, or that was given up, as it is recorded. */
export interface IntervalRecord {
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  readonly state: 'running' | 'done' | 'failed' | 'skipped';
  /** The newest run about it; null when it was skipped before there was one. */
  readonly runId: string | null;
  /** When that run took it, or somebody skipped it, milliseconds since 1970. */
  readonly takenAt: number;
  /** With state `skipped`. */
  readonly skip?: Skip | null;
}

export interface PlannedInterval {
  readonly interval: DataInterval;
  readonly state: IntervalRecord['state'] | 'missing';
  /** Of the newest run about it, where there was one. */
  readonly runId?: string;
  readonly takenAt?: number;
  /** With state `skipped`. */
  readonly skip?: Skip;
}

/** Neither done nor given up: there is something to run. */
export function isOpen({ state }: Pick<PlannedInterval, 'state'>): boolean {
  return state !== 'done' && state !== 'skipped';
}

/** Whether a backfill runs it: what failed, or what is open and, `again`, what is done. */
export function isWanted(
  planned: PlannedInterval,
  asked: { readonly failedOnly: boolean; readonly again: boolean },
): boolean {
  if (asked.failedOnly) return planned.state === 'failed';
  return isOpen(planned) || (asked.again && planned.state === 'done');
}

/**
 * The grid's intervals in a range, with what became of them. Done is what records that are done cover, whatever their
 * lengths: 24 hours make a day. Skipped is what they cover together with skipped ones. What was done or skipped and failed
 * when it was run again has failed. Gives one after the other, so that whoever needs a few does not wait for all.
 *
 * @param records sorted by their start; of two for the same range the last one is its own
 */
export function* planIntervals(
  grid: IntervalGrid,
  range: { readonly from: number; readonly until: number },
  records: readonly IntervalRecord[],
): Generator<PlannedInterval> {
  const done = records.filter(({ state }) => state === 'done');
  const skipped = records.filter(({ state }) => state === 'skipped');
  const isDone = coverage(done);
  const isSettled = coverage(records.filter(({ state }) => state === 'done' || state === 'skipped'));
  const own = new Map(records.map((record) => [`${record.start}/${record.end}`, record]));
  for (const interval of intervalsBetween(grid, range.from, range.until)) {
    const [start, end] = [instant(interval.start), instant(interval.end)];
    const record = own.get(`${start}/${end}`);
    if (isDone(start, end)) yield doneOrFailed(interval, record, () => newest(done, start, end));
    else if (isSettled(start, end)) yield skippedOrTried(interval, record, () => newest(skipped, start, end));
    else yield { interval, state: record === undefined || record.state === 'done' ? 'missing' : record.state, ...runOf(record) }; // prettier-ignore
  }
}

function doneOrFailed(
  interval: DataInterval,
  record: IntervalRecord | undefined,
  newestDone: () => IntervalRecord | undefined,
): PlannedInterval {
  if (record?.state !== 'failed') return { interval, state: 'done', ...runOf(record) };
  const by = newestDone()!;
  return by.takenAt > record.takenAt
    ? { interval, state: 'done', ...runOf(by) }
    : { interval, state: 'failed', ...runOf(record) };
}

/** A run about an interval inside of a longer one that was skipped counts when it came after the skip. */
function skippedOrTried(
  interval: DataInterval,
  record: IntervalRecord | undefined,
  newestSkip: () => IntervalRecord | undefined,
): PlannedInterval {
  const by = record?.state === 'skipped' ? record : newestSkip()!;
  const isTried = record?.state === 'running' || (record?.state === 'failed' && record.takenAt >= by.takenAt);
  if (isTried) return { interval, state: record.state, ...runOf(record) };
  return { interval, state: 'skipped', ...runOf(record), ...(by.skip == null ? {} : { skip: by.skip }) };
}

function runOf(record: IntervalRecord | undefined): Pick<PlannedInterval, 'runId' | 'takenAt'> {
  if (record === undefined) return {};
  return { ...(record.runId === null ? {} : { runId: record.runId }), takenAt: record.takenAt };
}

/** The newest that meets the range. */
function newest(records: readonly IntervalRecord[], from: number, until: number): IntervalRecord | undefined {
  const met = records.filter(({ start, end }) => start < until && end > from);
  return met.reduce<IntervalRecord | undefined>((a, b) => (a !== undefined && a.takenAt > b.takenAt ? a : b), undefined); // prettier-ignore
}

/** Whether the records cover all of a range; asked for ranges in their order. */
function coverage(records: readonly IntervalRecord[]): (start: number, end: number) => boolean {
  const spans = joined(records);
  let next = 0;
  return (start, end) => {
    while (next < spans.length && spans[next]!.end <= start) next++;
    const span = spans[next];
    return span !== undefined && span.start <= start && end <= span.end;
  };
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

import { instant, type DataInterval } from './data-interval.js';

export interface Span {
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
}

/**
 * The intervals that the spans do not cover, each as a whole. Spans may overlap and have other lengths than the intervals:
 * 24 hours that are done make a day that is done.
 *
 * @param spans sorted by their start
 */
export function uncovered(intervals: Iterable<DataInterval>, spans: readonly Span[]): DataInterval[] {
  const joined: { start: number; end: number }[] = [];
  for (const { start, end } of spans) {
    const last = joined.at(-1);
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else joined.push({ start, end });
  }
  return [...intervals].filter((interval) => {
    const [start, end] = [instant(interval.start), instant(interval.end)];
    return !joined.some((span) => span.start <= start && end <= span.end);
  });
}

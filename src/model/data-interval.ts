import { DateTime } from 'luxon';

/** A half-open range of time that a run works on, whatever the time at which it runs. */
export interface DataInterval {
  /** ISO time with the offset that the timezone has then: `2024-01-01T00:00:00+01:00`. Belongs to the interval. */
  readonly start: string;
  /** The first moment that does not belong to it. */
  readonly end: string;
  /** IANA name, e.g. `Europe/Berlin`: whose days they are. */
  readonly timezone: string;
}

/** Stands in where SQL is rendered for the names it uses and nothing is run. */
export const ANY_INTERVAL: DataInterval = {
  start: '2000-01-01T00:00:00Z',
  end: '2000-01-02T00:00:00Z',
  timezone: 'UTC',
};

/** What templates may name of an interval. */
export const INTERVAL_NAMES = ['start', 'end', 'start_date', 'end_date', 'last_date'] as const;
export type IntervalName = (typeof INTERVAL_NAMES)[number];

/**
 * Texts for SQL and for an API: times with their offset, and dates of the interval's timezone; `last_date` is the last
 * day that belongs to it. As a literal of PostgreSQL a time fits columns of type timestamptz, timestamp and date.
 */
export function intervalValues({ start, end, timezone }: DataInterval): Readonly<Record<IntervalName, string>> {
  const last = DateTime.fromISO(end, { zone: timezone }).minus({ milliseconds: 1 });
  return { start, end, start_date: start.slice(0, 10), end_date: end.slice(0, 10), last_date: last.toISODate()! };
}

/** `2024-01-01/2024-01-02`, or with times where one of them is not midnight. What `--interval` takes. */
export function shownInterval({ start, end }: Pick<DataInterval, 'start' | 'end'>): string {
  const isDays = [start, end].every((time) => time.includes('T00:00:00'));
  return isDays ? `${start.slice(0, 10)}/${end.slice(0, 10)}` : `${start}/${end}`;
}

/** The same interval with a start that lies `lookback` (`2d`, `6h`) earlier; days and weeks are those of its timezone. */
export function withLookback(interval: DataInterval, lookback: string | undefined): DataInterval {
  const [, count, unit] = /^(\d+)([smhdw])$/.exec(lookback ?? '') ?? [];
  if (count === undefined) return interval;
  const unitName = ({ s: 'seconds', m: 'minutes', h: 'hours', d: 'days', w: 'weeks' } as const)[unit as 's'];
  const start = DateTime.fromISO(interval.start, { zone: interval.timezone }).minus({ [unitName]: Number(count) });
  return { ...interval, start: isoTime(start) };
}

/** Milliseconds since 1970. */
export function instant(time: string): number {
  return DateTime.fromISO(time).toMillis();
}

/** Seconds are shown always, parts of them only when there are any. */
export function isoTime(time: DateTime): string {
  return time.toISO({ suppressMilliseconds: true })!;
}

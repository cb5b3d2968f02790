import { DateTime } from 'luxon';
import { TerminalError } from '../errors.js';
import { isoTime, type DataInterval } from './data-interval.js';

/**
 * `2024-01-01/2024-01-02`, or times in place of dates. What has no offset is a time of `timezone`. Throws
 * `INTERVAL_INVALID` (terminal): not two times, the end not after the start, a time that the clocks leave out or show twice.
 */
export function parseInterval(text: string, timezone: string): DataInterval {
  const [from, to, ...more] = text.split('/');
  if (from === undefined || to === undefined || more.length > 0)
    throw invalid(text, 'it is not two times with / between');
  const [start, end] = [parseMoment(from, timezone, text), parseMoment(to, timezone, text)];
  if (end <= start) throw invalid(text, 'its end is not after its start');
  return { start: isoTime(start), end: isoTime(end), timezone };
}

const FORM = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:?\d\d)?)?$/;

/** One ISO date or time; a date is the first moment of its day. Throws `INTERVAL_INVALID`; `of` is what the message shows. */
export function parseMoment(text: string, timezone: string, of = text): DateTime {
  const time = DateTime.fromISO(text.trim().replace(' ', 'T'), { zone: timezone });
  if (!FORM.test(text.trim()) || !time.isValid)
    throw invalid(of, `${JSON.stringify(text)} is no date or time of the calendar`);
  const [, clock, offset] = /[T ](\d\d:\d\d)[\d:.]*(.*)$/.exec(text.trim()) ?? [];
  if (offset !== undefined && offset !== '') return time;
  const times = time.getPossibleOffsets();
  // Where clocks go back at midnight, a day has two of them: the first one begins it.
  if (clock === undefined) return times[0]!;
  if (time.toFormat('HH:mm') !== clock)
    throw invalid(of, `the clocks of ${timezone} leave ${text} out`, `Write ${isoTime(time)}.`);
  if (times.length > 1)
    throw invalid(
      of,
      `the clocks of ${timezone} show ${text} twice`,
      `Say which, with its offset: ${times.map(isoTime).join(' or ')}.`,
    );
  return time;
}

function invalid(
  text: string,
  why: string,
  next = 'Write it as 2024-01-01/2024-01-02 or 2024-01-01T06:00/2024-01-01T12:00; the end does not belong to it.',
): TerminalError {
  return new TerminalError('INTERVAL_INVALID', `Reading the interval ${JSON.stringify(text)} failed: ${why}.`, {
    next,
  });
}

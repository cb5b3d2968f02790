import fc from 'fast-check';
import { DateTime } from 'luxon';
import { expect, test } from 'vitest';
import { instant, intervalValues, shownInterval, withLookback } from '../../src/model/data-interval.js';
import {
  INTERVAL_LENGTHS,
  intervalAt,
  intervalsBetween,
  lastCompleteInterval,
  type IntervalGrid,
} from '../../src/model/interval-grid.js';
import { isOpen, planIntervals, type IntervalRecord } from '../../src/model/plan-intervals.js';
import { parseInterval } from '../../src/model/parse-interval.js';

const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kolkata',
  // Clocks change by half an hour, at midnight, and over the date line.
  'Australia/Lord_Howe',
  'America/Sao_Paulo',
  'Asia/Beirut',
  'Pacific/Apia',
  'America/Havana',
];
const at = (text: string): number => Date.parse(text);
const grids = fc.record({ length: fc.constantFrom(...INTERVAL_LENGTHS), timezone: fc.constantFrom(...ZONES) });
const moments = fc.integer({ min: at('1999-12-20T00:00:00Z'), max: at('2026-06-01T00:00:00Z') });

test('intervals tile time in every timezone: no gap, no overlap, each moment in one of them', () => {
  fc.assert(
    fc.property(grids, moments, (grid, moment) => {
      const { start, end, timezone } = intervalAt(grid, moment);
      expect(instant(start)).toBeLessThanOrEqual(moment);
      expect(instant(end)).toBeGreaterThan(moment);
      expect(intervalAt(grid, instant(start)).end).toBe(end);
      expect(intervalAt(grid, instant(end)).start).toBe(end);
      expect(intervalAt(grid, instant(end) - 1).start).toBe(start);
      expect(timezone).toBe(grid.timezone);
      const local = DateTime.fromISO(start, { zone: grid.timezone });
      if (grid.length === 'hourly') expect(instant(end) - instant(start)).toBe(3_600_000);
      // Whatever the clocks do: the moment before a day belongs to another day.
      else expect(local.minus(1).toISODate()).not.toBe(local.toISODate());
      if (grid.length === 'weekly') expect(local.weekday).toBe(1);
      if (grid.length === 'monthly') expect(local.day).toBe(1);
    }),
    { numRuns: 300 },
  );
});

test('a range is cut into the intervals that end in it, each following the one before', () => {
  fc.assert(
    fc.property(grids, moments, fc.integer({ min: 0, max: 70 * 86_400_000 }), (grid, from, length) => {
      const found = [...intervalsBetween(grid, from, from + length)].slice(0, 50);
      for (const [index, one] of found.entries()) {
        expect(instant(one.end)).toBeLessThanOrEqual(from + length);
        expect(instant(one.end)).toBeGreaterThan(from);
        if (index > 0) expect(one.start).toBe(found[index - 1]!.end);
      }
      expect(lastCompleteInterval(grid, from + length).end).toBe(intervalAt(grid, from + length).start);
      if (found.length > 0 && found.length < 50) expect(found.at(-1)!.end).toBe(intervalAt(grid, from + length).start);
    }),
    { numRuns: 40 },
  );
});

const berlin = (length: IntervalGrid['length']): IntervalGrid => ({ length, timezone: 'Europe/Berlin' });

test('days in Berlin have 23 and 25 hours when the clocks change; a start off the grid means the interval before', () => {
  expect(lastCompleteInterval(berlin('daily'), at('2024-04-01T00:05:00+02:00'))).toEqual({
    start: '2024-03-31T00:00:00+01:00',
    end: '2024-04-01T00:00:00+02:00',
    timezone: 'Europe/Berlin',
  });
  expect(shownInterval(lastCompleteInterval(berlin('daily'), at('2024-10-28T03:00:00+01:00')))).toBe(
    '2024-10-27/2024-10-28',
  );
  expect(lastCompleteInterval(berlin('monthly'), at('2024-03-01T00:00:00+01:00'))).toMatchObject({
    start: '2024-02-01T00:00:00+01:00',
    end: '2024-03-01T00:00:00+01:00',
  });
  // The hour that comes twice is two intervals.
  const hours = [...intervalsBetween(berlin('hourly'), at('2024-10-27T00:00:00Z'), at('2024-10-27T02:00:00Z'))];
  expect(hours.map(({ start }) => start)).toEqual(['2024-10-27T02:00:00+02:00', '2024-10-27T02:00:00+01:00']);
});

test('what is done in other lengths counts: 24 hours make a day', () => {
  const range = { from: at('2024-03-30T00:00:00+01:00'), until: at('2024-04-02T00:00:00+02:00') };
  const hours = intervalsBetween(berlin('hourly'), at('2024-03-31T00:00:00+01:00'), at('2024-04-01T00:00:00+02:00'));
  const records = [...hours].map(({ start, end }) => ({
    start: instant(start),
    end: instant(end),
    state: 'done' as const,
    runId: 'r',
    takenAt: 0,
  }));
  const states = (of: typeof records) => [...planIntervals(berlin('daily'), range, of)].map(({ state }) => state);
  expect(records).toHaveLength(23);
  expect(states(records)).toEqual(['missing', 'done', 'missing']);
  expect(states(records.slice(1))).toEqual(['missing', 'missing', 'missing']);
  const day = { ...records[0]!, end: records.at(-1)!.end };
  expect(states([{ ...day, state: 'failed' as never }])).toEqual(['missing', 'failed', 'missing']);
  // Done by the hour and failed as a day: what came later counts, and whose run it was is said.
  const failed = { ...day, state: 'failed' as never, runId: 'f' };
  const tried = (takenAt: number) =>
    [...planIntervals(berlin('daily'), range, [{ ...failed, takenAt }, ...records])][1];
  expect(tried(1)).toMatchObject({ state: 'failed', runId: 'f' });
  expect(tried(-1)).toMatchObject({ state: 'done', runId: 'r' });
});

test('what is skipped is closed, in other lengths too, until a run came after', () => {
  const [from, until] = [Date.UTC(2024, 0, 1), Date.UTC(2024, 0, 15)];
  const DAY = 86_400_000;
  const skip = { by: 'ann', reason: 'gone' };
  const utc = (length: IntervalGrid['length']): IntervalGrid => ({ length, timezone: 'UTC' });
  const record = (day: number, days: number, state: IntervalRecord['state'], takenAt = 1): IntervalRecord =>
    ({ start: from + day * DAY, end: from + (day + days) * DAY, state, runId: state === 'skipped' ? null : 'r', takenAt, ...(state === 'skipped' ? { skip } : {}) }); // prettier-ignore
  const plan = (length: IntervalGrid['length'], ...records: IntervalRecord[]) => [...planIntervals(utc(length), { from, until }, records)]; // prettier-ignore
  const week = record(0, 7, 'skipped', 5);
  expect(plan('weekly', week).map(({ state }) => state)).toEqual(['skipped', 'missing']);
  expect(plan('daily', week)[6]).toMatchObject({ state: 'skipped', skip });
  expect(plan('daily', week)[7]).toMatchObject({ state: 'missing' });
  // A day of it that failed before, that failed after, that is at work, that is done.
  const days = [record(0, 1, 'failed', 4), record(1, 1, 'failed', 6), record(2, 1, 'running', 6), record(3, 1, 'done', 4)]; // prettier-ignore
  const states = plan('daily', ...[week, ...days].sort((a, b) => a.start - b.start)).map(({ state }) => state);
  expect(states.slice(0, 5)).toEqual(['skipped', 'failed', 'running', 'done', 'skipped']);
  // Six days done and one skipped leave nothing of the week to run.
  expect(plan('weekly', record(0, 6, 'done'), record(6, 1, 'skipped')).map(isOpen)).toEqual([false, true]);
  expect(plan('weekly', record(0, 5, 'done'), record(6, 1, 'skipped')).map(isOpen)).toEqual([true, true]);
});

test('reads what --interval takes, and looks back by days of the calendar', () => {
  const interval = parseInterval('2024-03-31/2024-04-01', 'Europe/Berlin');
  expect(interval).toEqual(lastCompleteInterval(berlin('daily'), at('2024-04-01T00:00:00+02:00')));
  expect(withLookback(interval, '1d').start).toBe('2024-03-30T00:00:00+01:00');
  expect(withLookback(interval, '25h').start).toBe('2024-03-29T23:00:00+01:00');
  expect(intervalValues(interval)).toMatchObject({
    start_date: '2024-03-31',
    end_date: '2024-04-01',
    last_date: '2024-03-31',
  });
  expect(parseInterval('2024-01-01T06:00Z/2024-01-01T12:00Z', 'UTC').end).toBe('2024-01-01T12:00:00Z');
  for (const wrong of ['2024-01-01', '2024-01-02/2024-01-01', '2024-02-30/2024-03-01', 'a/b', '2024-01-01/2024-01-01'])
    expect(() => parseInterval(wrong, 'UTC'), wrong).toThrow(expect.objectContaining({ code: 'INTERVAL_INVALID' }));
});

test('a wall time that the clocks show twice, or never, is refused with the times that it may be', () => {
  const read =
    (text: string, zone = 'Europe/Berlin') =>
    () =>
      parseInterval(text, zone);
  const next = '2025-10-26T02:00:00+02:00 or 2025-10-26T02:00:00+01:00';
  const twice = { code: 'INTERVAL_INVALID', next: expect.stringContaining(next) as string };
  expect(read('2025-10-26T02:00/2025-10-26T03:00')).toThrow(expect.objectContaining(twice));
  expect(read('2025-10-26T02:00+02:00/2025-10-26T03:00')()).toMatchObject({ start: '2025-10-26T02:00:00+02:00' });
  const never = { message: expect.stringContaining('leave 2025-03-30T02:30 out') as string };
  expect(read('2025-03-30T02:30/2025-03-30T04:00')).toThrow(expect.objectContaining(never));
  // A date is the first moment of its day, also where midnight comes twice or not at all.
  expect(read('2025-11-02/2025-11-03', 'America/Havana')().start).toBe('2025-11-02T00:00:00-04:00');
  expect(read('2018-11-04/2018-11-05', 'America/Sao_Paulo')().start).toBe('2018-11-04T01:00:00-02:00');
});

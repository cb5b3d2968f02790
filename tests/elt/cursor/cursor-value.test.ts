import { describe, expect, it } from 'vitest';
import { cursorBefore, cursorOrder, laterCursor, notAfter } from '../../../src/elt/cursor/cursor-value.js';

describe('cursorOrder', () => {
  it('orders timestamps to the nanosecond, whatever their zone', () => {
    const ordered = [
      '0001-01-01',
      '1969-12-31T23:59:59.999999999Z',
      '2024-05-01',
      '2024-05-01T00:00:00.000000001Z',
      '2024-05-01T03:00:00+02:00',
      '2024-05-01 01:00:00.5',
      '2024-05-01T00:00:01-0200',
    ];
    const orders = ordered.map((text) => cursorOrder('timestamp', text)!);
    expect([...orders].sort((one, other) => (one < other ? -1 : 1))).toEqual(orders);
    expect(cursorOrder('timestamp', '2024-05-01T02:00+02')).toBe(cursorOrder('timestamp', '2024-05-01'));
  });

  it.each(['', 'null', '2024-02-30', '2024-13-01', '1714521600', 'yesterday', '2024-05-01T25:00:00Z'])(
    'takes %j for no timestamp',
    (text) => expect(cursorOrder('timestamp', text)).toBeUndefined(),
  );

  it('orders whole numbers of any size', () => {
    expect(cursorOrder('integer', '9007199254740993')).toBe(9007199254740993n);
    expect(cursorOrder('integer', '1.5')).toBeUndefined();
  });
});

it('laterCursor keeps the text of the greater one, the first of equals', () => {
  expect(laterCursor('timestamp', '2024-05-01T02:00:00+02:00', '2024-05-01T00:00:00Z')).toBe(
    '2024-05-01T02:00:00+02:00',
  );
  expect(laterCursor('integer', '9007199254740992', '9007199254740993')).toBe('9007199254740993');
  expect(laterCursor('integer', null, '1')).toBe('1');
});

describe('cursorBefore', () => {
  it.each([
    ['timestamp', 0, '2024-05-01T02:00:00.123456+02:00', '2024-05-01T02:00:00.123456+02:00'],
    ['timestamp', 3_600_000, '2024-05-01T02:00:00.123456+02:00', '2024-04-30T23:00:00.123456Z'],
    ['timestamp', 1_000, '2024-05-01T00:00:00Z', '2024-04-30T23:59:59Z'],
    ['timestamp', 1_000, '2024-05-01', '2024-04-30'],
    ['integer', 1, '9007199254740993', '9007199254740992'],
  ] as const)('of a %s, lag %i, %s is %s', (type, lag, text, expected) => {
    expect(cursorBefore({ field: 'at', type, lag }, text)).toBe(expected);
  });
});

it('notAfter holds a cursor from the future back to now', () => {
  const now = new Date('2024-05-01T12:00:00Z');
  const config = { field: 'at', type: 'timestamp', lag: 0 } as const;
  expect(notAfter(config, '2999-01-01T00:00:00Z', now)).toBe('2024-05-01T12:00:00Z');
  expect(notAfter(config, '2999-01-01', now)).toBe('2024-05-01');
  expect(notAfter(config, '2024-05-01T13:00:00+02:00', now)).toBe('2024-05-01T13:00:00+02:00');
});

import { describe, expect, it } from 'vitest';
import { openRowEncoder } from '../../../src/elt/program/encode-row.js';

describe('a row of a plug-in', () => {
  it.each([
    ['a symbol', Symbol('x'), 'at is a symbol'],
    ['a Date without a time', new Date(Number.NaN), 'at is an invalid Date, expected a time or null'],
    ['one inside a list', [new Date('2024-01-01'), new Date(Number.NaN)], 'at[1] is an invalid Date'],
  ])('cannot hold %s', (_, value, message) => {
    expect(() => openRowEncoder().encode({ at: value as Date })).toThrow(message);
  });
});

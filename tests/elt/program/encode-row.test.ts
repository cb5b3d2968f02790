import { describe, expect, it } from 'vitest';
import { openRowEncoder } from '../../../src/elt/program/encode-row.js';

describe('a row of a plug-in', () => {
  it.each([
    ['a symbol', Symbol('x'), 'at is a symbol'],
    ['a Date without a time', new Date(Number.NaN), 'at is an invalid Date, expected a time or null'],
    ['what nobody has waited for', Promise.resolve(1), 'at is a Promise, expected a value that can be kept'],
    ['one inside a list', [new Date('2024-01-01'), new Date(Number.NaN)], 'at[1] is an invalid Date'],
  ])('cannot hold %s', (_, value, message) => {
    expect(() => openRowEncoder().encode({ at: value as Date })).toThrow(message);
  });

  it('keeps lists of every kind, bytes and what says itself how it is written', () => {
    const encoder = openRowEncoder();
    const row = { set: new Set([1, 'a']), vector: new Float32Array([0.5, 2]), raw: new Uint8Array([7]).buffer, at: new URL('http://a/'), none: new Map(), bare: Object.create(null) as object }; // prettier-ignore
    expect(encoder.encode(row)).toBe(
      '{"set":[1,"a"],"vector":[0.5,2],"raw":"\\\\x07","at":"http://a/","none":{},"bare":{}}',
    );
    expect(encoder.columns()).toMatchObject({ set: 'jsonb', vector: 'jsonb', raw: 'bytea', at: null });
  });
});

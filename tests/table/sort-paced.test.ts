import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pace } from '../../src/table/pace.js';
import { sortNumbers, sortRows } from '../../src/table/sort-paced.js';

/** More than two runs of 16,384, the last of them not full. */
const ROWS = 50_003;

function noise(seed: number): Float64Array {
  let state = 1 + (seed % 2_147_483_646);
  return Float64Array.from({ length: ROWS }, () => (state = (state * 48_271) % 2_147_483_647) % 1000);
}

describe('sortNumbers', () => {
  it('sorts as the array itself does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 30 }), fc.nat(ROWS), async (seed, length) => {
        const values = noise(seed).subarray(0, length);
        const expected = values.slice().sort();
        expect(await sortNumbers(values, new Pace())).toEqual(expected);
      }),
      { numRuns: 20 },
    );
  });

  it('sorts in place', async () => {
    const values = noise(5);
    expect(await sortNumbers(values, new Pace())).toBe(values);
  });
});

describe('sortRows', () => {
  it('keeps the order of ties', async () => {
    const keys = noise(3);
    const rows = Int32Array.from(keys.keys());
    const expected = [...rows].sort((a, b) => keys[a]! - keys[b]!);
    expect([...(await sortRows(rows, (a, b) => keys[a]! - keys[b]!, new Pace()))]).toEqual(expected);
  });
});

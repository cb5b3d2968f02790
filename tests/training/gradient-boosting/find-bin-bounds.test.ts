import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findBinBounds } from '../../../src/training/gradient-boosting/find-bin-bounds.js';

describe('findBinBounds', () => {
  test('gives each of few values a bin that ends midway to the next', () => {
    expect([...findBinBounds(Float32Array.of(1, 1, 1, 2, 2, 2, 5, 5, 5), 255)]).toEqual([1.5, 3.5, Infinity]);
  });

  test('joins values that occur less than three times with the next', () => {
    expect([...findBinBounds(Float32Array.of(1, 2, 3, 4, 5, 6, 7), 255)]).toEqual([3.5, 6.5, Infinity]);
  });

  test('makes bins of about equal counts when the values are many', () => {
    const sorted = Float32Array.from({ length: 1000 }, (_, index) => index + 1);
    expect([...findBinBounds(sorted, 5)]).toEqual([250.5, 500.5, 750.5, Infinity]);
  });

  test('gives zero a bin of its own and the two signs bins in proportion', () => {
    const sorted = Float32Array.from({ length: 401 }, (_, index) => index - 100);
    expect([...findBinBounds(sorted, 5)]).toEqual([-0.5, 0.5, 100.5, 200.5, Infinity]);
  });

  test('keeps a frequent value in a bin of its own', () => {
    const sorted = Float32Array.from([...Array<number>(900).fill(0), ...Array.from({ length: 100 }, (_, i) => i + 1)]);
    expect([...findBinBounds(sorted, 5)]).toEqual([0.5, 25.5, 50.5, 75.5, Infinity]);
  });

  test('has one bin for a constant and for no value at all', () => {
    expect([...findBinBounds(Float32Array.of(3, 3, 3, 3), 255)]).toEqual([Infinity]);
    expect([...findBinBounds(Float32Array.of(), 255)]).toEqual([Infinity]);
  });

  test('parts neighbouring float32 numbers, infinities and numbers whose midpoint rounds up', () => {
    const next = 1 + 2 ** -23;
    const cases = [
      [1, next],
      [next, 1 + 2 ** -22],
      [-1.401298464324817e-45, 0],
      [0, 1.401298464324817e-45],
      [-Infinity, 0],
      [0, Infinity],
      [-Infinity, Infinity],
      [3.4028234663852886e38, Infinity],
    ] as const;
    for (const [low, high] of cases) {
      const [bound] = findBinBounds(Float32Array.of(low, low, low, high, high, high), 255);
      expect(low <= bound! && bound! < high, `${low} <= ${bound} < ${high}`).toBe(true);
    }
  });

  test('every bound is float32, ascending, and lies at or above a value and below the next', () => {
    const values = fc.array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 400 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 255 }), (list, maxBins) => {
        const sorted = Float32Array.from(list).sort();
        const bounds = findBinBounds(sorted, maxBins);
        expect(bounds.length).toBeLessThanOrEqual(maxBins);
        expect(bounds.at(-1)).toBe(Infinity);
        for (const [bin, bound] of bounds.subarray(0, -1).entries()) {
          expect(bound).toBeLessThan(bounds[bin + 1]!);
          expect(sorted.some((value) => value <= bound && (bin === 0 || value > bounds[bin - 1]!))).toBe(true);
          expect(sorted.some((value) => value > bound)).toBe(true);
        }
      }),
    );
  });
});

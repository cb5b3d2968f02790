import { Pace } from '../../table/pace.js';

/** The position of each value among the categories, from 0; NaN for a missing or unknown value. */
export async function ordinalEncode(
  values: readonly (string | null)[],
  categories: readonly string[],
  pace = new Pace(),
): Promise<Float32Array> {
  const position = new Map(categories.map((category, index) => [category, index]));
  const positions = new Float32Array(values.length);
  const encode = (from: number, to: number): void => {
    for (let row = from; row < to; row++) {
      const value = values[row] ?? null;
      positions[row] = value === null ? NaN : (position.get(value) ?? NaN);
    }
  };
  await pace.overRows(values.length, encode, 4);
  return positions;
}

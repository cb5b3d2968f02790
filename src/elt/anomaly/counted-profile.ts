import type { Profile } from './find-anomalies.js';

/** @param nulls how many there are in each column */
export function countedProfile(
  columns: readonly { readonly name: string }[],
  rows: number,
  nulls: readonly number[],
): Profile {
  return {
    rows,
    nulls: Object.fromEntries(columns.map(({ name }, index) => [name, rows === 0 ? 0 : nulls[index]! / rows])),
  };
}

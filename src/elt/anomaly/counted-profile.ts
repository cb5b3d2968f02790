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

/** Of the rows of several objects, which have the same columns; there is at least one. */
export function unitedProfile(profiles: readonly Profile[]): Profile {
  const columns = Object.keys(profiles[0]!.nulls).map((name) => ({ name }));
  const rows = profiles.reduce((sum, profile) => sum + profile.rows, 0);
  // Back to whole numbers first.
  const nulls = columns.map(({ name }) =>
    profiles.reduce((sum, profile) => sum + Math.round(profile.nulls[name]! * profile.rows), 0),
  );
  return countedProfile(columns, rows, nulls);
}

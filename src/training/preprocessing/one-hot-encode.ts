import { Pace } from '../../table/pace.js';

/** One column of 0 and 1 per category; a missing or unknown value is 0 in all of them. */
export async function oneHotEncode(
  values: readonly (string | null)[],
  categories: readonly string[],
  pace = new Pace(),
): Promise<Float32Array[]> {
  const columns: Float32Array[] = [];
  for (let category = 0; category < categories.length; category++) {
    columns.push(new Float32Array(values.length));
    await pace.after(values.length);
  }
  const position = new Map(categories.map((category, index) => [category, index]));
  const mark = (from: number, to: number): void => {
    for (let row = from; row < to; row++) {
      const value = values[row] ?? null;
      const index = value === null ? undefined : position.get(value);
      if (index !== undefined) columns[index]![row] = 1;
    }
  };
  await pace.overRows(values.length, mark, 4);
  return columns;
}

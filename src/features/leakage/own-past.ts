import type { TrainingSet } from '../../model/training-set.js';
import type { ColumnTable } from '../../table/column-table.js';
import { Pace } from '../../table/pace.js';
import { sortRows } from '../../table/sort-paced.js';

/**
 * For each row the newest earlier target of the same entity whose label time is not after the row's cut-off; NaN when
 * there is none. A series that repeats itself is predicted well by anything that follows it, which is no leak.
 */
export async function ownPast(
  table: ColumnTable,
  set: TrainingSet,
  target: Float64Array,
  pace = new Pace(),
): Promise<Float64Array> {
  const times = table.columns.get(set.labelTime)?.values as Float64Array;
  const series = await seriesOf(table, set, pace);
  const rows = new Int32Array(table.rowCount);
  for (let row = 0; row < rows.length; row++) rows[row] = row;
  await sortRows(rows, (a, b) => series[a]! - series[b]! || times[a]! - times[b]!, pace);
  const past = new Float64Array(table.rowCount).fill(NaN);
  // The first row of the series, and its first row that is not yet known at the cut-off.
  let first = 0;
  let next = 0;
  const lookBack = (from: number, to: number): void => {
    for (let index = from; index < to; index++) {
      const row = rows[index]!;
      if (series[row] !== series[rows[first]!]) first = next = index;
      const cutOff = times[row]! - set.horizonMs;
      while (next < index && times[rows[next]!]! <= cutOff && times[rows[next]!]! < times[row]!) next++;
      if (next > first) past[row] = target[rows[next - 1]!]!;
    }
  };
  await pace.overRows(rows.length, lookBack, 4);
  return past;
}

/** For each row the number of its entity. An entity that is the label time itself makes one series of all rows. */
async function seriesOf(table: ColumnTable, set: TrainingSet, pace: Pace): Promise<Int32Array> {
  const columns = set.entity
    .filter((name) => name !== set.labelTime)
    .map((name) => table.columns.get(name)?.values ?? []);
  const numbers = new Map<string, number>();
  const series = new Int32Array(table.rowCount);
  const number = (from: number, to: number): void => {
    for (let row = from; row < to; row++) {
      const key = JSON.stringify(columns.map((values) => values[row] ?? null));
      let known = numbers.get(key);
      if (known === undefined) numbers.set(key, (known = numbers.size));
      series[row] = known;
    }
  };
  await pace.overRows(table.rowCount, number, 32);
  return series;
}

import type { Column } from '../../table/column-table.js';
import { Pace } from '../../table/pace.js';
import { sortNumbers } from '../../table/sort-paced.js';
import { countUpTo } from './count-sorted.js';

const MAX_BINS = 256;
const MIN_ROWS_PER_BIN = 20;
/** What a look-up of a row's bin costs, in plain operations. */
const LOOK_UP = 8;

/**
 * Predicts the target from one column alone: by the mean target of its quantile bin (number) or category (text), both
 * learned on `fitRows`. Missing values are a bin of their own; a category not seen gets the mean of all. Length n.
 */
export async function predictFromColumn(
  column: Column,
  target: Float64Array,
  fitRows: Int32Array,
  pace = new Pace(),
): Promise<Float64Array> {
  const binOf = column.kind === 'text' ? categoryOf(column.values) : await quantileBinOf(column.values, fitRows, pace);
  const sums = new Map<number | string, { sum: number; rows: number }>();
  let total = 0;
  const addRows = (from: number, to: number): void => {
    for (let index = from; index < to; index++) {
      const row = fitRows[index]!;
      const bin = binOf(row);
      let entry = sums.get(bin);
      if (entry === undefined) sums.set(bin, (entry = { sum: 0, rows: 0 }));
      entry.sum += target[row]!;
      entry.rows++;
      total += target[row]!;
    }
  };
  await pace.overRows(fitRows.length, addRows, LOOK_UP);
  const mean = total / fitRows.length;
  const predictions = new Float64Array(target.length);
  const predictRows = (from: number, to: number): void => {
    for (let row = from; row < to; row++) {
      const entry = sums.get(binOf(row));
      predictions[row] = entry === undefined ? mean : entry.sum / entry.rows;
    }
  };
  await pace.overRows(target.length, predictRows, LOOK_UP);
  return predictions;
}

function categoryOf(values: readonly (string | null)[]): (row: number) => string | number {
  return (row) => values[row] ?? -1;
}

async function quantileBinOf(values: Float64Array, fitRows: Int32Array, pace: Pace): Promise<(row: number) => number> {
  const present = new Float64Array(fitRows.length);
  let length = 0;
  for (const row of fitRows) if (!Number.isNaN(values[row])) present[length++] = values[row]!;
  await pace.after(fitRows.length);
  const sorted = await sortNumbers(present.subarray(0, length), pace);
  const bins = Math.max(2, Math.min(MAX_BINS, Math.floor(length / MIN_ROWS_PER_BIN)));
  const edges = new Set<number>();
  for (let bin = 1; bin < bins; bin++) edges.add(sorted[Math.floor((bin * length) / bins)] ?? NaN);
  const bounds = Float64Array.from(edges);
  return (row) => (Number.isNaN(values[row]) ? -1 : countUpTo(bounds, values[row]!));
}

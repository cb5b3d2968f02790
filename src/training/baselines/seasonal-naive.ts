import type { TrainingSet } from '../../model/training-set.js';
import type { ColumnTable } from '../../table/column-table.js';
import { Pace } from '../../table/pace.js';
import { requireColumn } from '../training-rows.js';

/** What making a row's key costs, in plain operations. */
const KEY = 32;

/**
 * For each row, the target of the same entity exactly `periodMs` before its label time; NaN where there is none. Where
 * the label time is itself the entity (or part of it), the rest of the entity identifies the series.
 */
export async function seasonalNaive(
  trainingSet: TrainingSet,
  table: ColumnTable,
  rows: Int32Array,
  periodMs: number,
  pace = new Pace(),
): Promise<Float64Array> {
  const time = requireColumn(table, trainingSet.labelTime, 'time').values;
  const target = requireColumn(table, trainingSet.target, 'number').values;
  const entity = trainingSet.entity
    .filter((name) => name !== trainingSet.labelTime)
    .map((name) => requireEntity(table, name));
  const key = (row: number, at: number): string => JSON.stringify([at, ...entity.map((values) => values[row])]);
  const known = new Map<string, number>();
  const remember = (from: number, to: number): void => {
    for (let row = from; row < to; row++) known.set(key(row, time[row]!), target[row]!);
  };
  await pace.overRows(table.rowCount, remember, KEY);
  const lags = new Float64Array(rows.length);
  const lookUp = (from: number, to: number): void => {
    for (let index = from; index < to; index++) {
      const row = rows[index]!;
      lags[index] = known.get(key(row, time[row]! - periodMs)) ?? NaN;
    }
  };
  await pace.overRows(rows.length, lookUp, KEY);
  return lags;
}

function requireEntity(table: ColumnTable, name: string): ArrayLike<string | number | null> {
  const kind = table.columns.get(name)?.kind ?? 'text';
  return requireColumn(table, name, kind).values;
}

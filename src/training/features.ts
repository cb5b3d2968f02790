import { TerminalError } from '../errors.js';
import type { TrainingSet } from '../model/training-set.js';
import type { ColumnTable } from '../table/column-table.js';
import { Pace } from '../table/pace.js';
import { requireColumn } from './training-rows.js';

/** One feature over some rows, as the model's graph receives it: float32 with NaN for missing, or text with null for missing. */
export type Feature =
  | { readonly name: string; readonly kind: 'number'; readonly values: Float32Array }
  | { readonly name: string; readonly kind: 'text'; readonly values: readonly (string | null)[] };

/**
 * The features of `rows`, in the training set's order. An empty text counts as missing, since a graph cannot tell them apart.
 * Throws (terminal) `TRAIN_NO_FEATURES`, `TRAIN_FEATURE_INFINITE`, `TRAIN_COLUMN_MISSING`, `TRAIN_COLUMN_TYPE`.
 */
export async function readFeatures(
  trainingSet: TrainingSet,
  table: ColumnTable,
  rows: Int32Array,
  pace = new Pace(),
): Promise<Feature[]> {
  if (trainingSet.features.length === 0) {
    throw new TerminalError('TRAIN_NO_FEATURES', 'The training set has no feature to learn from.', {
      next: 'Name at least one feature view under train.features.',
    });
  }
  const features: Feature[] = [];
  for (const feature of trainingSet.features) {
    const { name } = feature;
    if (feature.kind === 'number') {
      const { values } = requireColumn(table, name, 'number');
      features.push({ name, kind: 'number', values: await toFloat32(name, values, rows, pace) });
    } else {
      const { values } = requireColumn(table, name, 'text');
      const texts: (string | null)[] = [];
      const copy = (from: number, to: number): void => {
        for (let index = from; index < to; index++) texts.push(values[rows[index]!] || null);
      };
      await pace.overRows(rows.length, copy);
      features.push({ name, kind: 'text', values: texts });
    }
  }
  return features;
}

/** Half of float32's largest number, so that the distance of any two values is one, too. */
const LARGEST = 1.7e38;

async function toFloat32(name: string, values: Float64Array, rows: Int32Array, pace: Pace): Promise<Float32Array> {
  const cast = new Float32Array(rows.length);
  const castRows = (from: number, to: number): void => {
    for (let index = from; index < to; index++) {
      const value = values[rows[index]!]!;
      cast[index] = value;
      if (!(Math.abs(value) <= LARGEST || Number.isNaN(value))) throw tooLarge(name, value);
    }
  };
  await pace.overRows(rows.length, castRows);
  return cast;
}

function tooLarge(name: string, value: number): TerminalError {
  return new TerminalError(
    'TRAIN_FEATURE_INFINITE',
    `The feature "${name}" holds ${value}, beyond ±${LARGEST}, the largest number a float32 graph can standardize.`,
    {
      details: { feature: name, value: String(value) },
      next: `Make it NULL or rescale "${name}" in its feature view.`,
    },
  );
}

import { TerminalError } from '../errors.js';
import { SPLIT_COLUMN, type TrainingSet } from '../model/training-set.js';
import type { Column, ColumnTable } from '../table/column-table.js';

/** Row numbers of the table and the targets at them, in table order. */
export interface LabelledRows {
  readonly rows: Int32Array;
  readonly y: Float64Array;
}

/** Fewer rows than this neither train nor judge a model. */
export const MIN_ROWS = 20;

/**
 * Training and held-out rows of a training set with their checked targets.
 * Throws (terminal) `TRAIN_COLUMN_MISSING`, `TRAIN_COLUMN_TYPE`, `TRAIN_TARGET_INVALID`, `TRAIN_TARGET_CONSTANT`, `TRAIN_TOO_FEW_ROWS`.
 */
export function splitRows(
  trainingSet: TrainingSet,
  table: ColumnTable,
): { readonly train: LabelledRows; readonly test: LabelledRows } {
  const split = requireColumn(table, SPLIT_COLUMN, 'text');
  const target = requireColumn(table, trainingSet.target, 'number');
  const select = (part: string): LabelledRows => {
    const all = new Int32Array(table.rowCount);
    let length = 0;
    for (let row = 0; row < table.rowCount; row++) if (split.values[row] === part) all[length++] = row;
    const rows = all.slice(0, length);
    const y = new Float64Array(length);
    for (let index = 0; index < length; index++) y[index] = target.values[rows[index]!]!;
    checkTarget(trainingSet, y);
    return { rows, y };
  };
  const train = select('train');
  const test = select('test');
  if (train.y.length < MIN_ROWS || test.y.length === 0) throw tooFewRows(trainingSet, train, test);
  if (train.y.every((value) => value === train.y[0])) {
    throw new TerminalError(
      'TRAIN_TARGET_CONSTANT',
      `The target ${trainingSet.target} is ${train.y[0]} in all ${train.y.length} training rows.`,
      {
        details: { target: trainingSet.target },
        next: 'Check the labels SQL, or move test_from so that both values are seen.',
      },
    );
  }
  return { train, test };
}

/** A column of the kind the caller needs, or a TerminalError that says which column is missing or of which kind it is. */
export function requireColumn<Kind extends Column['kind']>(
  table: ColumnTable,
  name: string,
  kind: Kind,
): Extract<Column, { kind: Kind }> {
  const column = table.columns.get(name);
  if (column === undefined) {
    throw new TerminalError('TRAIN_COLUMN_MISSING', `The training set has no column "${name}".`, {
      details: { column: name, columns: [...table.columns.keys()].slice(0, 50) },
      next: 'Build the training set again: plumbline run features.',
    });
  }
  if (column.kind !== kind) {
    throw new TerminalError(
      'TRAIN_COLUMN_TYPE',
      `The column "${name}" of the training set holds ${column.kind} values; expected ${kind} values.`,
      {
        details: { column: name, received: column.kind, expected: kind },
        next:
          column.kind === 'time'
            ? `Turn "${name}" into numbers in its SQL file, e.g. extract(epoch from now() - "${name}").`
            : `Cast "${name}" to ${kind === 'number' ? 'double precision' : kind} in its SQL file.`,
      },
    );
  }
  return column as Extract<Column, { kind: Kind }>;
}

function checkTarget(trainingSet: TrainingSet, y: Float64Array): void {
  const isBinary = trainingSet.task === 'binary';
  const wrong = y.findIndex((value) => !Number.isFinite(value) || (isBinary && value !== 0 && value !== 1));
  if (wrong === -1) return;
  throw new TerminalError(
    'TRAIN_TARGET_INVALID',
    `The target ${trainingSet.target} holds ${Number.isNaN(y[wrong]) ? 'a missing value' : String(y[wrong])}; ` +
      `expected ${isBinary ? '0 or 1' : 'a finite number'} in every row.`,
    { details: { target: trainingSet.target }, next: 'Leave such rows out in the labels SQL, or map them there.' },
  );
}

function tooFewRows(trainingSet: TrainingSet, train: LabelledRows, test: LabelledRows): TerminalError {
  return new TerminalError(
    'TRAIN_TOO_FEW_ROWS',
    `The training set has ${train.y.length} training and ${test.y.length} held-out rows (from ${trainingSet.testFrom}); ` +
      `expected at least ${MIN_ROWS} and 1.`,
    { details: { train: train.y.length, test: test.y.length }, next: 'Load more data or move train.test_from.' },
  );
}

import { TerminalError } from '../../errors.js';
import type { FitBoostingOptions } from './boosting-model.js';
import { MAX_ROWS } from './gradients.js';

/**
 * @throws TerminalError TRAIN_TOO_FEW_ROWS, TRAIN_TOO_MANY_ROWS, TRAIN_NO_FEATURES, TRAIN_MATRIX_SHAPE,
 * TRAIN_TARGET_INVALID, TRAIN_PARAMETER_INVALID; a retry does not help
 */
export function checkFit({ X, y, objective, seed, threads, checkpoint }: FitBoostingOptions): void {
  const { rows, columns } = X;
  if (rows < 1) {
    throw new TerminalError('TRAIN_TOO_FEW_ROWS', 'Fitting gradient boosting: got 0 rows, expected at least 1.', {
      next: 'Load more data, or move test_from.',
    });
  }
  if (rows > MAX_ROWS) {
    throw new TerminalError(
      'TRAIN_TOO_MANY_ROWS',
      `Fitting gradient boosting: got ${rows} rows, expected at most ${MAX_ROWS}, beyond which sums are not exact.`,
      { details: { rows, limit: MAX_ROWS }, next: 'Train on a sample of the rows.' },
    );
  }
  if (columns.length === 0) {
    throw new TerminalError('TRAIN_NO_FEATURES', 'Fitting gradient boosting: got no feature, expected at least 1.', {
      next: 'Name feature views under train.features.',
    });
  }
  const lengths = [y.length, ...columns.map((column) => column.length)];
  if (lengths.some((length) => length !== rows)) {
    throw new TerminalError(
      'TRAIN_MATRIX_SHAPE',
      `Fitting gradient boosting: y and the columns have lengths ${[...new Set(lengths)].join(', ')}, expected ${rows}.`,
      { details: { rows, lengths }, next: 'Build the training set again.' },
    );
  }
  checkTarget(y, objective);
  checkWhole('seed', seed, 0, Number.MAX_SAFE_INTEGER);
  if (threads !== undefined) checkWhole('threads', threads, 1, 256);
  if (checkpoint?.everyIterations !== undefined) checkWhole('everyIterations', checkpoint.everyIterations, 1, 1e9);
}

function checkTarget(y: Float64Array, objective: FitBoostingOptions['objective']): void {
  const isValid =
    objective === 'binary'
      ? (value: number) => value === 0 || value === 1
      : // Predictions are float32.
        (value: number) => Number.isFinite(Math.fround(value));
  const row = y.findIndex((value) => !isValid(value));
  if (row < 0) return;
  const expected = objective === 'binary' ? '0 or 1' : 'a finite number within float32';
  throw new TerminalError(
    'TRAIN_TARGET_INVALID',
    `Fitting gradient boosting (${objective}): the target of row ${row} is ${y[row]}, expected ${expected}.`,
    { details: { row, value: y[row] }, next: 'Leave such rows out in labels.sql, or change the target.' },
  );
}

function checkWhole(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new TerminalError(
    'TRAIN_PARAMETER_INVALID',
    `Fitting gradient boosting: ${name} is ${value}, expected a whole number from ${min} to ${max}.`,
    { details: { parameter: name, value }, next: `Change ${name}.` },
  );
}

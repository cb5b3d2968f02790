import { TerminalError } from '../errors.js';
import type { Session } from '../model/database.js';
import type { Task } from '../model/training-set.js';
import { LABELS, type StagedLabels } from './stage-labels.js';
import { positionOf } from './user-query.js';
import { plural } from '../model/plural.js';

/** Fewer rows than these teach or measure nothing; a choice of plumbline's. */
export const MIN_TRAIN_ROWS = 20;
export const MIN_TEST_ROWS = 5;

export interface LabelSummary {
  readonly task: Task;
  readonly rows: number;
  readonly trainRows: number;
  readonly testRows: number;
}

/** `binary` for a boolean or for values 0 and 1 alone, else `regression`. Refuses a target that cannot be learned. */
export async function summarizeTarget(session: Session, labels: StagedLabels, testFrom: string): Promise<LabelSummary> {
  const [row] = await session.query<TargetRow>(`
    SELECT count(*)::integer AS rows,
           (count(*) FILTER (WHERE test))::integer AS test_rows,
           (count(DISTINCT y) FILTER (WHERE NOT test))::integer AS values,
           min(y) FILTER (WHERE NOT test) AS smallest,
           (count(*) FILTER (WHERE y IN ('Infinity', '-Infinity')))::integer AS infinite,
           coalesce(bool_and(y IN (0, 1)), false) AS zero_one
      FROM ${LABELS}`);
  const { rows, test_rows: testRows, values, smallest, infinite, zero_one: zeroOne } = row!;
  const trainRows = rows - testRows;
  const { query, target, unlabelledRows } = labels;
  const at = positionOf(query, target.name);
  const refuse = (code: string, problem: string, next: string): TerminalError =>
    new TerminalError(code, `Reading target ${target.name} of ${query.file} failed: ${problem}.`, {
      details: { file: query.file, target: target.name, rows, trainRows, testRows, unlabelledRows },
      at,
      next,
    });

  if (rows === 0 && unlabelledRows > 0)
    throw refuse(
      'FEATURES_TARGET',
      `it is NULL in all ${unlabelledRows} ${plural(unlabelledRows, 'row')}`,
      'Check the column and the joins of the SELECT.',
    );
  if (infinite > 0)
    throw refuse(
      'FEATURES_VALUE',
      `it is infinite in ${infinite} ${plural(infinite, 'row')}`,
      'Filter these rows in the SELECT.',
    );
  if (trainRows < MIN_TRAIN_ROWS)
    throw refuse(
      'FEATURES_TOO_FEW_ROWS',
      `${trainRows} ${plural(trainRows, 'row has', 'rows have')} a label time before test_from ${testFrom}, expected at least ${MIN_TRAIN_ROWS}`,
      'Add labels or move test_from.',
    );
  if (testRows < MIN_TEST_ROWS)
    throw refuse(
      'FEATURES_TOO_FEW_ROWS',
      `${testRows} ${plural(testRows, 'row has', 'rows have')} a label time at or after test_from ${testFrom}, expected at least ${MIN_TEST_ROWS}`,
      'Move test_from to an earlier time.',
    );
  if (values < 2)
    throw refuse(
      'FEATURES_TARGET',
      `it is ${smallest} in all ${trainRows} training rows, expected at least two values`,
      'Check the column, or move test_from so that training sees both.',
    );
  return { task: target.class === 'boolean' || zeroOne ? 'binary' : 'regression', rows, trainRows, testRows };
}

interface TargetRow {
  readonly rows: number;
  readonly test_rows: number;
  readonly values: number;
  readonly smallest: number | null;
  readonly infinite: number;
  readonly zero_one: boolean;
}

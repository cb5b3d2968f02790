import { TerminalError } from '../../errors.js';
import type { CompiledTest } from './compile-test.js';
import type { TestResult } from './run-test.js';
import { plural } from '../../model/plural.js';

/** A data test found rows it forbids. The stage is gone, the published table is what it was; a retry gives the same. */
export class DataTestError extends TerminalError {
  constructor(table: string, results: readonly TestResult[]) {
    const failed = results.filter(({ passed, severity }) => !passed && severity === 'error');
    const [first] = failed;
    if (first === undefined) throw new RangeError('no test failed');
    const more =
      failed.length === 1
        ? ''
        : `; also failed: ${failed
            .slice(1)
            .map(({ name }) => name)
            .join(', ')}`;
    super('ELT_TEST_FAILED', `Test ${first.name} of ${table} failed${findingOf(first)}${more}.`, {
      at: first.at,
      details: { table, tests: failed.map(({ name, failures, sample }) => ({ name, failures, sample })) },
      next: 'Correct the data, the SELECT or the test, then run again; the published table is untouched.',
    });
  }
}

/** PostgreSQL refused the SQL of a test: a column that is not there, a value that is not of the column's type. */
export function testSqlError(test: CompiledTest, table: string, cause: Error): TerminalError {
  return new TerminalError('ELT_SQL_ERROR', `Test ${test.name} of ${table} could not be run: ${cause.message}.`, {
    at: test.at,
    next: 'Correct the columns or values the test names.',
    cause,
  });
}

function findingOf(result: TestResult): string {
  const [example] = result.sample;
  if (result.kind === 'row_count')
    return `: it has ${(example as { rows: number }).rows} ${plural((example as { rows: number }).rows, 'row')}`;
  return ` on ${result.failures} ${unitOf(result)}, expected 0, e.g. ${JSON.stringify(example)}`;
}

function unitOf({ kind, failures }: TestResult): string {
  const unit = kind === 'unique' || kind === 'accepted_values' ? 'value' : 'row';
  return failures === 1 ? unit : `${unit}s`;
}

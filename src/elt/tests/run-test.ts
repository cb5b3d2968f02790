import { performance } from 'node:perf_hooks';
import type { Queryable, Session } from '../../model/database.js';
import { isSqlAtFault } from '../transform/sql-error.js';
import { TABLE_UNDER_TEST, type CompiledTest } from './compile-test.js';
import { testSqlError } from './errors.js';

export interface TestResult {
  readonly name: string;
  readonly kind: CompiledTest['kind'];
  readonly severity: CompiledTest['severity'];
  readonly passed: boolean;
  /** Failing rows; for `unique` and `accepted_values` failing values. */
  readonly failures: number;
  /** At most five of them, as JSON objects by column name. */
  readonly sample: readonly unknown[];
  readonly seconds: number;
  readonly at: { readonly file: string; readonly line: number };
}

/**
 * Runs one test on `table` (as it stands in SQL), reading only. A test whose SQL PostgreSQL refuses throws
 * `ELT_SQL_ERROR` with the test's place.
 */
export async function runTest(session: Session, test: CompiledTest, table: string): Promise<TestResult> {
  return session.transaction(async () => {
    await session.execute('SET TRANSACTION READ ONLY');
    return evaluate(session, test, table);
  });
}

/** `runTest` on what the open transaction has written so far. */
export async function runTestInside(session: Queryable, test: CompiledTest, table: string): Promise<TestResult> {
  // A savepoint's end takes its READ ONLY back.
  await session.execute('SAVEPOINT data_test; SET TRANSACTION READ ONLY');
  const result = await evaluate(session, test, table);
  await session.execute('RELEASE SAVEPOINT data_test');
  return result;
}

async function evaluate(session: Queryable, test: CompiledTest, table: string): Promise<TestResult> {
  const started = performance.now();
  // A closing comment in the user's SQL must not swallow the parenthesis.
  const failing = `(${test.sql.replaceAll(TABLE_UNDER_TEST, () => table)}\n) AS failing`;
  const read = async (): Promise<{ failures: number; sample: unknown[] }> => {
    try {
      const [counted] = await session.query<{ failures: string }>(`SELECT count(*) AS failures FROM ${failing}`);
      const count = Number(counted?.failures ?? 0);
      const rows =
        count === 0
          ? []
          : await session.query<{ row: unknown }>(`SELECT to_jsonb(failing) AS row FROM ${failing} LIMIT 5`);
      return { failures: count, sample: rows.map(({ row }) => row) };
    } catch (error) {
      if (isSqlAtFault(error)) throw testSqlError(test, table, error);
      throw error;
    }
  };
  const { failures, sample } = await read();
  const seconds = (performance.now() - started) / 1000;
  const { name, kind, severity, at } = test;
  return { name, kind, severity, passed: failures === 0, failures, sample, seconds, at };
}

/** The table must not be published: a test failed that is more than a warning. */
export function isRefused(results: readonly TestResult[]): boolean {
  return results.some(({ passed, severity }) => !passed && severity === 'error');
}

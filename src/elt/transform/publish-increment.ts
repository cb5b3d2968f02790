import { performance } from 'node:perf_hooks';
import { TerminalError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import { ENDS_WHEN_FROZEN } from '../../model/brief-transaction.js';
import type { Session } from '../../model/database.js';
import { postgresCode } from '../publish/postgres-code.js';
import { shownName, sqlName } from '../publish/table-name.js';
import { DataTestError } from '../tests/errors.js';
import { isRefused, runTestInside, type TestResult } from '../tests/run-test.js';
import { markPublished, markTested, recordTests, type Build, type FinishedBuild } from './build-ledger.js';
import type { BuildOptions } from './build-transform.js';
import { isSqlAtFault } from './sql-error.js';

/**
 * Puts the staged increment into the published table and tests what comes out, all in one transaction: readers go on
 * with the rows of before until it commits, and a failing test, a kill or a lost fence leaves them. Other writers wait.
 *
 * Throws DataTestError, `ELT_PUBLISH_TIMEOUT` when somebody else keeps writing to the table, `ELT_SQL_ERROR` when a
 * constraint of the table refuses a row.
 */
export async function publishIncrement(
  session: Session,
  build: Build,
  options: BuildOptions & {
    /** Puts the staged rows into the table; gives the number that the build is said to have added. */
    readonly apply: () => Promise<number>;
  },
): Promise<FinishedBuild & { readonly incrementRows: number }> {
  const { node, signal, onProgress, apply, publishTimeoutMs = 300_000 } = options;
  const started = performance.now();
  const table = sqlName(build.target);
  let results: TestResult[] = [];
  try {
    const settings = { ...ENDS_WHEN_FROZEN, lockTimeoutMs: publishTimeoutMs };
    const finished = await session.transaction(async () => {
      await lockAgainstWriters(session, build, publishTimeoutMs);
      let incrementRows: number;
      try {
        incrementRows = await apply();
      } catch (error) {
        if (!isSqlAtFault(error)) throw error;
        throw new TerminalError('ELT_SQL_ERROR', `Adding to ${shownName(build.target)} failed: ${error.message}.`, {
          at: { file: node.file },
          next: 'Correct the SELECT or the constraint of the table; its rows are untouched.',
          cause: error,
        });
      }
      await failpoint('increment.applied');
      results = [];
      for (const test of node.tests) {
        signal?.throwIfAborted();
        onProgress?.({ step: 'testing', test: test.name });
        results.push(await runTestInside(session, test, table));
      }
      if (isRefused(results)) throw new DataTestError(shownName(build.target), results);
      onProgress?.({ step: 'publishing' });
      const [counted] = await session.query<{ rows: string }>(`SELECT count(*) AS rows FROM ${table}`);
      const rows = Number(counted?.rows ?? 0);
      const done = { rows, tests: results, seconds: (performance.now() - started) / 1000 };
      await markTested(session, build, done);
      await markPublished(session, build);
      const published = { table: shownName(build.target), kind: node.kind, rows, tests: results, incrementRows };
      await options.onPublish?.(session, published);
      await session.execute(`DROP TABLE ${sqlName(build.staged)}`);
      await failpoint('increment.before-commit');
      signal?.throwIfAborted();
      return { ...done, incrementRows };
    }, settings);
    await failpoint('increment.after-commit');
    return finished;
  } catch (error) {
    if (error instanceof DataTestError) await recordTests(session, build, results);
    throw error;
  }
}

/** Readers do not feel this lock, so it may be waited for at length. */
async function lockAgainstWriters(session: Session, { target }: Build, publishTimeoutMs: number): Promise<void> {
  try {
    await session.execute(`LOCK TABLE ${sqlName(target)} IN SHARE ROW EXCLUSIVE MODE`);
  } catch (cause) {
    if (postgresCode(cause) !== '55P03') throw cause;
    throw new TerminalError(
      'ELT_PUBLISH_TIMEOUT',
      `Adding to ${shownName(target)} was given up after ${publishTimeoutMs / 1000} s of waiting for another writer.`,
      {
        next: 'Wait until it has ended, or end it with SELECT pg_terminate_backend(pid); then `plumbline runs retry`.',
        cause,
      },
    );
  }
}

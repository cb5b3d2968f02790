import { performance } from 'node:perf_hooks';
import { TerminalError } from '../../errors.js';
import { BRIEFLY_LOCKED } from '../../model/brief-transaction.js';
import type { Session } from '../../model/database.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { explainSqlError } from '../transform/sql-error.js';
import type { CompiledUnitTest, StandIn } from './compile-unit-test.js';
import { columnsOf, stageRows } from './stage-rows.js';

export interface UnitTestResult {
  readonly name: string;
  readonly model: string;
  readonly at: CompiledUnitTest['at'];
  readonly passed: boolean;
  readonly difference: RowDifference;
  readonly seconds: number;
}

/** Values as PostgreSQL writes them, in the order of `columns`. */
export interface RowDifference {
  /** Those that the expected rows mention: only they are compared. */
  readonly columns: readonly string[];
  /** Rows that are expected and were not given, each as often as it is missing. */
  readonly missing: readonly (readonly (string | null)[])[];
  /** Rows that were given and are not expected. */
  readonly unexpected: readonly (readonly (string | null)[])[];
  /** Rows that are as expected. */
  readonly equal: number;
}

// Quoted names with a blank: no table of the user's has one.
const ACTUAL = qualified('pg_temp', 'actual rows');
const EXPECTED = qualified('pg_temp', 'expected rows');

/**
 * Runs the SELECT of a unit test on its given rows and compares, as multisets, what comes with what is expected. All in
 * one transaction that is rolled back; nothing but temporary tables is written and tests may run side by side.
 *
 * Throws `ELT_UNIT_TEST_TABLE` when a table whose columns are needed is not published, `ELT_UNIT_TEST_ROWS`, or
 * `ELT_SQL_ERROR` at the user's line; a retry gives the same.
 */
export async function runUnitTest(session: Session, test: CompiledUnitTest): Promise<UnitTestResult> {
  const started = performance.now();
  const difference = await session.transaction(async () => {
    await session.execute('SAVEPOINT unit_test');
    for (const input of test.given) {
      await assertPublished(session, input, test);
      await stageRows(session, input.table, input.original, input, { what: input.input, test: test.name });
    }
    const found = await compare(session, test);
    await session.execute('ROLLBACK TO SAVEPOINT unit_test');
    return found;
  }, BRIEFLY_LOCKED);
  const { name, model, at } = test;
  const passed = difference.missing.length === 0 && difference.unexpected.length === 0;
  return { name, model, at, passed, difference, seconds: (performance.now() - started) / 1000 };
}

async function compare(session: Session, test: CompiledUnitTest): Promise<RowDifference> {
  const { file, sql, lines } = test;
  const explain = async <T>(prefix: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw explainSqlError(error, { file, lines, prefix, sql });
    }
  };
  // A view: PostgreSQL refuses whatever would write, and knows the columns before anything runs.
  const define = `CREATE TEMPORARY VIEW ${ACTUAL} AS\n`;
  await explain(define, () => session.execute(define + sql, []));
  const mentioned = await stageRows(session, EXPECTED, ACTUAL, test.expect, { what: 'expect', test: test.name });
  await session.execute('SET TRANSACTION READ ONLY');
  // None when no row is expected: then any row differs, and is shown whole.
  const columns = mentioned.length > 0 ? mentioned : await columnsOf(session, ACTUAL);
  const shown = columns.map((column) => `${identifier(column)}::text`).join(', ');
  const compared = columns.map((column) => `to_jsonb(${identifier(column)})`).join(', ');
  // As JSON values: 1.0 equals 1.00, NULL equals NULL, and a type without equality can be compared.
  const statement = `WITH both_sides AS MATERIALIZED (
      SELECT ARRAY[${shown}]::text[] AS shown, jsonb_build_array(${compared}) AS key, 1 AS given FROM ${ACTUAL}
      UNION ALL SELECT ARRAY[${shown}]::text[], jsonb_build_array(${compared}), -1 FROM ${EXPECTED})
    SELECT min(shown) AS shown, sum(given) AS surplus, count(*) FILTER (WHERE given = 1) AS rows
    FROM both_sides GROUP BY key ORDER BY min(shown)`;
  const rows = await explain(statement, () =>
    session.query<{ shown: (string | null)[]; surplus: string; rows: string }>(statement),
  );
  const difference = { columns, missing: [] as (string | null)[][], unexpected: [] as (string | null)[][], equal: 0 };
  for (const { shown: values, surplus, rows: given } of rows) {
    const excess = Number(surplus);
    for (let nth = 0; nth < Math.abs(excess); nth++)
      (excess > 0 ? difference.unexpected : difference.missing).push(values);
    difference.equal += Number(given) - Math.max(excess, 0);
  }
  return difference;
}

async function assertPublished(
  session: Session,
  { input, original, rows, at }: StandIn,
  test: CompiledUnitTest,
): Promise<void> {
  if (rows.format === 'sql') return;
  const [found] = await session.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [original]);
  if (found?.there === true) return;
  throw new TerminalError(
    'ELT_UNIT_TEST_TABLE',
    `Unit test ${test.name} cannot be run: the columns of ${input} are those of ${original.replaceAll('"', '')}, which is not there yet.`,
    { at, next: 'Make it with `plumbline run`, or give the rows with `format: sql`.' },
  );
}

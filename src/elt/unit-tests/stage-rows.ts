import { Readable } from 'node:stream';
import { closest } from 'fastest-levenshtein';
import { TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import type { Fixture, FixtureRows } from '../../model/project.js';
import { identifier } from '../../model/sql-identifier.js';
import { isSqlAtFault } from '../transform/sql-error.js';

export interface RowsPlace {
  /** `ref('demand')` or `expect`, for messages. */
  readonly what: string;
  readonly test: string;
}

/**
 * Makes the temporary `table`, with the columns and types of `original`, and fills it. Columns that the rows do not
 * mention are NULL; no constraint of the original holds. Throws `ELT_UNIT_TEST_ROWS` at the fixture's line.
 *
 * @returns the columns that the rows mention
 */
export async function stageRows(
  session: Session,
  table: string,
  original: string,
  { rows, at }: Fixture,
  place: RowsPlace,
): Promise<string[]> {
  try {
    if (rows.format === 'sql') {
      // The empty list of parameters: PostgreSQL then takes one statement only.
      await session.execute(`CREATE TEMPORARY TABLE ${table} AS ${rows.sql.replace(/[;\s]+$/, '')}`, []);
      const given = await columnsOf(session, table);
      assertKnown(given, await columnsOf(session, original), { at }, place);
      return given;
    }
    await session.execute(`CREATE TEMPORARY TABLE ${table} AS SELECT * FROM ${original} WITH NO DATA`);
    const columns = mentionedColumns(rows);
    assertKnown(columns, await columnsOf(session, table), { at }, place);
    const list = columns.map(identifier).join(', ');
    if (rows.format === 'csv') {
      if (columns.length > 0)
        await session.copyFrom(
          `COPY ${table} (${list}) FROM STDIN (FORMAT csv, HEADER true)`,
          Readable.from([rows.csv]),
        );
      return columns;
    }
    // Whole rows, so that `{}` is a row of NULLs.
    await session.execute(`INSERT INTO ${table} SELECT * FROM jsonb_populate_recordset(NULL::${table}, $1)`, [
      JSON.stringify(rows.rows),
    ]);
    return columns;
  } catch (error) {
    if (!isSqlAtFault(error)) throw error;
    throw rowsError(
      { at },
      place,
      error.message,
      'Correct the rows; their columns have the types of the table.',
      error,
    );
  }
}

/** The names that a list of rows or the first line of a CSV mention, each once. */
function mentionedColumns(rows: Exclude<FixtureRows, { format: 'sql' }>): string[] {
  if (rows.format === 'dict') return [...new Set(rows.rows.flatMap((row) => Object.keys(row)))];
  const [header = ''] = rows.csv.split(/\r?\n/, 1);
  if (header.trim() === '') return [];
  return header.split(',').map((name) => name.trim().replace(/^"(.*)"$/, '$1'));
}

/** None when the relation is not there. */
export async function columnsOf(session: Session, table: string): Promise<string[]> {
  const rows = await session.query<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [table],
  );
  return rows.map(({ name }) => name);
}

function assertKnown(
  mentioned: readonly string[],
  known: readonly string[],
  fixture: Pick<Fixture, 'at'>,
  place: RowsPlace,
): void {
  const stranger = mentioned.find((name) => !known.includes(name));
  if (stranger === undefined || known.length === 0) return;
  throw rowsError(
    fixture,
    place,
    `there is no column ${stranger}, only ${known.join(', ')}`,
    `Nearest name: ${closest(stranger, known)}. Correct it, or run what gives the column first.`,
  );
}

function rowsError(
  { at }: Pick<Fixture, 'at'>,
  { what, test }: RowsPlace,
  problem: string,
  next: string,
  cause?: unknown,
): TerminalError {
  return new TerminalError('ELT_UNIT_TEST_ROWS', `Unit test ${test} cannot be run: the rows of ${what}: ${problem}.`, {
    at,
    next,
    cause,
  });
}

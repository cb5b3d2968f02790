import { TerminalError } from '../../errors.js';
import { postgresCode } from '../publish/postgres-code.js';

export interface SqlOrigin {
  readonly file: string;
  /** User's line (from 1) for each line of the SQL. */
  readonly lines: readonly number[];
  /** What was put in front of the user's SQL in the statement that failed. */
  readonly prefix: string;
  readonly sql: string;
}

/**
 * An error of PostgreSQL about the user's own SQL becomes `ELT_SQL_ERROR` with file, line and column; a retry gives the
 * same. Others (connections, locks, a full disk, a cancelled statement) pass unchanged.
 */
export function explainSqlError(error: unknown, origin: SqlOrigin): unknown {
  if (!isSqlAtFault(error)) return error;
  const { position, hint, detail } = error as { position?: unknown; hint?: unknown; detail?: unknown };
  const at = { file: origin.file, ...(typeof position === 'string' && placeOf(Number(position), origin)) };
  const where = 'line' in at ? `${at.file}:${at.line}:${at.column}` : at.file;
  return new TerminalError('ELT_SQL_ERROR', `PostgreSQL refused ${where}: ${error.message}.`, {
    at,
    details: { sqlstate: postgresCode(error), ...(typeof detail === 'string' && { detail }) },
    next: typeof hint === 'string' ? hint : 'Correct the SQL, then run again; the published table is untouched.',
    cause: error,
  });
}

/** The statement is wrong, not its circumstances. */
export function isSqlAtFault(error: unknown): error is Error {
  // 0A not supported, 2x data and cardinality, 3x functions, 42 syntax and names, 54 limits, P0 raised by a function.
  return error instanceof Error && /^(0A|2|38|39|42|44|54|P0)/.test(postgresCode(error));
}

/** PostgreSQL counts characters from 1, through the whole statement; JavaScript counts UTF-16 units. */
function placeOf(position: number, { prefix, sql, lines }: SqlOrigin): { line: number; column: number } | undefined {
  const offset = position - 1 - [...prefix].length;
  if (offset < 0) return undefined;
  const rows = [...sql].slice(0, offset).join('').split('\n');
  return { line: lines[rows.length - 1] ?? rows.length, column: [...rows.at(-1)!].length + 1 };
}

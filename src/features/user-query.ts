import { PipelineError, TerminalError } from '../errors.js';
import { renderSql, type SqlNames } from '../model/render-sql.js';
import type { SqlFile } from '../model/project.js';

/** A SELECT of the user's, ready to stand in parentheses. */
export interface UserQuery {
  readonly name: string;
  readonly file: string;
  readonly sql: string;
  /** Line of the user's file for each line of `sql`. */
  readonly lines: readonly number[];
  /** Names used in `ref()` and `source()`. */
  readonly refs: readonly string[];
  readonly sources: readonly string[];
}

export function readUserQuery(file: SqlFile, tables: SqlNames): UserQuery {
  const { sql, refs, sources, lines } = renderSql(file, tables);
  // A closing semicolon, perhaps with comments after it, would end the statement inside the parentheses.
  return { name: file.name, file: file.file, sql: sql.replace(/;\s*(--[^\n]*\s*)*$/, ''), refs, sources, lines };
}

/**
 * Runs a statement that holds `query` in parentheses and turns PostgreSQL's complaint about it into FEATURES_SQL at the
 * line of the user's file. Errors that are not about the SQL (connection, lock, cancel) pass unchanged.
 */
export async function runUserQuery<T>(
  query: UserQuery,
  statement: (parenthesised: string) => string,
  run: (text: string) => Promise<T>,
): Promise<T> {
  // The closing parenthesis stands on its own line so that a comment on the last line does not swallow it.
  const text = statement(`(${query.sql}\n)`);
  try {
    return await run(text);
  } catch (error) {
    throw translate(error, query, text);
  }
}

interface PostgresError extends Error {
  readonly code?: string;
  readonly position?: string;
  readonly hint?: string;
}

// https://www.postgresql.org/docs/current/errcodes-appendix.html: 0A feature, 21 cardinality, 22 data, 42 syntax, P0 raised.
const ABOUT_SQL = /^(0A|21|22|42|P0)/;

function translate(error: unknown, query: UserQuery, text: string): unknown {
  if (!(error instanceof Error) || error instanceof PipelineError) return error;
  const { code, position, hint } = error as PostgresError;
  if (code === undefined || !ABOUT_SQL.test(code)) return error;
  const place = position === undefined ? undefined : placeOf(query, text, Number(position));
  return new TerminalError('FEATURES_SQL', `Running ${query.file} failed: ${error.message}.`, {
    details: { sqlState: code },
    at: { file: query.file, ...place },
    next: hint ?? 'Correct the SELECT and run again.',
    cause: error,
  });
}

/** PostgreSQL counts characters from 1; a text of JavaScript counts UTF-16 units. */
function placeOf(query: UserQuery, text: string, position: number): { line: number; column: number } | undefined {
  const start = text.indexOf(`(${query.sql}\n)`) + 1;
  const offset = [...text].slice(0, position - 1).join('').length - start;
  if (offset < 0 || offset > query.sql.length) return undefined;
  const before = query.sql.slice(0, offset).split('\n');
  return { line: lineOf(query, before.length - 1), column: [...before.at(-1)!].length + 1 };
}

/** The first line of the SELECT, comments left out, that speaks of `column`; for errors about one column. */
export function positionOf(query: UserQuery, column: string): { file: string; line?: number } {
  const word = new RegExp(`(?<![\\w$])${column.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\w$])`, 'i');
  const index = query.sql.split('\n').findIndex((line) => !line.trimStart().startsWith('--') && word.test(line));
  return index < 0 ? { file: query.file } : { file: query.file, line: lineOf(query, index) };
}

/** Line of the user's file of the rendered line `index`, from 0. */
export function lineOf(query: UserQuery, index: number): number {
  return query.lines[index] ?? index + 1;
}

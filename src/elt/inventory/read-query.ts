import type { Session } from '../../model/database.js';
import { explainSqlError } from '../transform/sql-error.js';
import type { CompiledQuery } from './compile-query.js';

/**
 * Runs `read`, which asks for `prefix` + the project's SELECT + more, in a transaction that can change nothing. Throws
 * `ELT_SQL_ERROR` with the place in the project's file; no retry helps.
 */
export async function readQuery<T>(
  session: Session,
  { file, sql, lines }: CompiledQuery,
  prefix: string,
  read: () => Promise<T>,
): Promise<T> {
  try {
    return await session.transaction(async () => {
      await session.execute('SET TRANSACTION READ ONLY');
      return read();
    });
  } catch (error) {
    throw explainSqlError(error, { file, lines, prefix, sql });
  }
}

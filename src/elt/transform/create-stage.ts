import { ENDS_WHEN_FROZEN } from '../../model/brief-transaction.js';
import type { Session } from '../../model/database.js';
import { sqlName, type TableName } from '../publish/table-name.js';
import type { TransformNode } from './compile-transforms.js';
import { explainSqlError } from './sql-error.js';

/**
 * Makes `staged` of the SELECT in a transaction of its own. Throws `ELT_SQL_ERROR` at the user's line.
 *
 * @returns the number of rows
 */
export async function createStage(
  session: Session,
  { kind, file, sql, lines }: Pick<TransformNode, 'kind' | 'file' | 'sql' | 'lines'>,
  staged: TableName,
): Promise<number> {
  const name = sqlName(staged);
  const define = async (what: string): Promise<number> => {
    const prefix = `CREATE ${what} ${name} AS\n`;
    try {
      return await session.execute(prefix + sql);
    } catch (error) {
      throw explainSqlError(error, { file, lines, prefix, sql });
    }
  };
  return session.transaction(async () => {
    // The view first, for tables too: PostgreSQL then refuses whatever would write, WITH … DELETE included.
    await define('VIEW');
    if (kind === 'table') {
      await session.execute(`DROP VIEW ${name}`);
      return define('TABLE');
    }
    const [counted] = await session.query<{ rows: string }>(`SELECT count(*) AS rows FROM ${name}`);
    return Number(counted?.rows ?? 0);
  }, ENDS_WHEN_FROZEN);
}

import { ENDS_WHEN_FROZEN } from '../../model/brief-transaction.js';
import type { Session } from '../../model/database.js';
import { identifier } from '../../model/sql-identifier.js';
import { sqlName, type TableName } from '../publish/table-name.js';
import { applyIncrement, type IncrementSettings } from './apply-increment.js';

/**
 * Makes of the staged increment, which has more columns than the published table, the whole table to be: a copy of the
 * published rows with NULL in the new columns, and the increment in it. In one transaction, so that the stage is the one
 * or the other.
 */
export async function extendTable(
  session: Session,
  config: IncrementSettings,
  names: { readonly target: TableName; readonly staged: TableName; readonly columns: readonly string[] },
): Promise<number> {
  const { target, staged, columns } = names;
  return session.transaction(async () => {
    const increment = { schema: staged.schema, name: `${Buffer.from(staged.name).subarray(0, 50).toString()}__rows` };
    await session.execute(`ALTER TABLE ${sqlName(staged)} RENAME TO ${identifier(increment.name)}`);
    await session.execute(`CREATE TABLE ${sqlName(staged)} (LIKE ${sqlName(increment)})`);
    const [head] = await session.query<{ names: string }>(
      `SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS names FROM pg_attribute
       WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`,
      [sqlName(target)],
    );
    const old = head!.names;
    await session.execute(`INSERT INTO ${sqlName(staged)} (${old}) SELECT ${old} FROM ${sqlName(target)}`);
    await applyIncrement(session, config, columns, increment, staged);
    await session.execute(`DROP TABLE ${sqlName(increment)}`);
    const [counted] = await session.query<{ rows: string }>(`SELECT count(*) AS rows FROM ${sqlName(staged)}`);
    return Number(counted!.rows);
  }, ENDS_WHEN_FROZEN);
}

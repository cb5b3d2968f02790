import type { Queryable } from '../../model/database.js';
import { sqlName, type TableName } from '../publish/table-name.js';

/** Drops a staged table or view; nothing happens when it is not there. Never CASCADE. */
export async function dropStage(session: Queryable, staged: TableName): Promise<void> {
  const [row] = await session.query<{ kind: string }>(
    `SELECT c.relkind::text AS kind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2`,
    [staged.schema, staged.name],
  );
  if (row === undefined) return;
  await session.execute(`DROP ${row.kind === 'v' ? 'VIEW' : 'TABLE'} IF EXISTS ${sqlName(staged)}`);
}

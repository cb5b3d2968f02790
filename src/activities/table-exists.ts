import type { Queryable } from '../model/database.js';
import { qualified } from '../model/sql-identifier.js';

export async function tableExists(database: Queryable, schema: string, name: string): Promise<boolean> {
  const [row] = await database.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [
    qualified(schema, name),
  ]);
  return row!.found;
}

export async function hasNoRelations(database: Queryable, schema: string): Promise<boolean> {
  const some = await database.query(
    'SELECT FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) LIMIT 1',
    [schema],
  );
  return some.length === 0;
}

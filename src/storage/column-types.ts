import type { Queryable } from '../model/database.js';

/** `schema.table` → column → type as PostgreSQL writes it, of all tables and views of the schemas. */
export async function columnTypes(
  database: Queryable,
  schemas: readonly string[],
): Promise<Map<string, Map<string, string>>> {
  const rows = await database.query<{ relation: string; column: string; type: string }>(
    `SELECT n.nspname || '.' || c.relname AS relation, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY($1::text[]) AND c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY c.oid, a.attnum`,
    [schemas],
  );
  const types = new Map<string, Map<string, string>>();
  for (const { relation, column, type } of rows) {
    if (!types.has(relation)) types.set(relation, new Map());
    types.get(relation)!.set(column, type);
  }
  return types;
}

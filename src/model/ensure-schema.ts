import type { Queryable } from './database.js';
import { identifier } from './sql-identifier.js';

/**
 * Makes a schema that is not there. Two sessions may do so at once, a race that IF NOT EXISTS does not settle. Outside
 * any transaction, which the lost race would end.
 */
export async function ensureSchema(database: Queryable, schema: string): Promise<void> {
  const found = await database.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
  if (found.length > 0) return;
  try {
    await database.execute(`CREATE SCHEMA IF NOT EXISTS ${identifier(schema)}`);
  } catch (error) {
    if (!['23505', '42P06'].includes(String((error as { code?: unknown }).code))) throw error;
  }
}

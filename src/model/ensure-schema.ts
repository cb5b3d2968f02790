import type { Queryable } from './database.js';
import { identifier } from './sql-identifier.js';

/**
 * Makes the schemas that are not there. Two sessions may do so at once, a race that IF NOT EXISTS does not settle. Outside
 * any transaction, which the lost race would end.
 */
export async function ensureSchema(database: Queryable, ...schemas: readonly string[]): Promise<void> {
  const found = await database.query<{ name: string }>(
    'SELECT nspname AS name FROM pg_namespace WHERE nspname = ANY($1)',
    [schemas],
    { isKept: true },
  );
  const there = new Set(found.map(({ name }) => name));
  for (const schema of schemas) if (!there.has(schema)) await makeSchema(database, schema);
}

async function makeSchema(database: Queryable, schema: string): Promise<void> {
  try {
    await database.execute(`CREATE SCHEMA IF NOT EXISTS ${identifier(schema)}`);
  } catch (error) {
    if (!['23505', '42P06'].includes(String((error as { code?: unknown }).code))) throw error;
  }
}

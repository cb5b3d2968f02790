import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Queryable } from '../model/database.js';

export const MIGRATIONS = fileURLToPath(new URL('../../migrations/', import.meta.url));

/** Files of this version's migrations, in their order. */
export async function migrationNames(): Promise<string[]> {
  return (await readdir(MIGRATIONS)).filter((name) => name.endsWith('.sql')).sort();
}

/** Those that a database which an earlier version made has not had yet. */
export async function missingMigrations(database: Queryable): Promise<string[]> {
  const applied = await database.query<{ name: string }>('SELECT name FROM plumbline.migrations');
  const names = new Set(applied.map(({ name }) => name));
  return (await migrationNames()).filter((name) => !names.has(name));
}

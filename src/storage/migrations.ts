import { readFile } from 'node:fs/promises';
import knex, { type Knex } from 'knex';
import { translatePostgresError } from './errors.js';
import { MIGRATIONS, migrationNames } from './missing-migrations.js';

/** Brings schema `plumbline` to the newest version; several processes may call it at once. Gives the names applied now. */
export async function migrate(url: string): Promise<string[]> {
  const database = knex({
    client: 'pg',
    connection: { connectionString: url, connectionTimeoutMillis: 5_000 },
    pool: { min: 0, max: 1 },
  });
  try {
    // knex's own lock is a row that a killed process leaves behind; a session lock goes with its connection.
    await database.raw(`SELECT pg_advisory_lock(hashtext('plumbline.migrations'))`);
    await database.raw('CREATE SCHEMA IF NOT EXISTS plumbline');
    const [, applied] = (await database.migrate.latest({
      schemaName: 'plumbline',
      tableName: 'migrations',
      migrationSource: new SqlFiles(),
      disableMigrationsListValidation: false,
    })) as [number, string[]];
    return applied;
  } catch (error) {
    throw translatePostgresError(error);
  } finally {
    await database.destroy();
  }
}

class SqlFiles implements Knex.MigrationSource<string> {
  getMigrations(): Promise<string[]> {
    return migrationNames();
  }
  getMigrationName(name: string): string {
    return name;
  }
  async getMigration(name: string): Promise<Knex.Migration> {
    const sql = await readFile(MIGRATIONS + name, 'utf8');
    // knex.raw reads `?` as a placeholder; the files are plain SQL.
    const run = async (client: Knex): Promise<void> => void (await client.raw(sql.replaceAll('?', '\\?')));
    return { up: run, down: async () => {} };
  }
}

import pg from 'pg';
import { identifier } from '../model/sql-identifier.js';
import { translatePostgresError } from './errors.js';

/** Creates a database when it is missing, connected to one that exists. Several processes may call it at once. */
export async function createDatabase(adminUrl: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl, connectionTimeoutMillis: 5_000 });
  try {
    await client.connect();
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [name]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${identifier(name)}`);
  } catch (error) {
    // 42P04: another process was quicker.
    if ((error as { code?: unknown }).code !== '42P04') throw translatePostgresError(error);
  } finally {
    await client.end().catch(() => {});
  }
}

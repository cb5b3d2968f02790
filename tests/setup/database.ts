import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { openDatabase, type OpenDatabase } from '../../src/storage/database.js';

export interface TestDatabase {
  readonly url: string;
  readonly database: OpenDatabase;
  drop(): Promise<void>;
}

/** A fresh, migrated database in the run's PostgreSQL, copied from one that was migrated once. Call `drop()` in afterAll. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  const admin = inject('postgresUrl');
  await adminQuery(admin, `CREATE DATABASE ${name} TEMPLATE ${inject('migratedDatabase')} STRATEGY file_copy`);
  const url = admin.replace(/\/postgres$/, `/${name}`);
  const database = openDatabase({ url, applicationName: name });
  await database.execute('UPDATE plumbline.installation SET database_id = DEFAULT');
  return {
    url,
    database,
    async drop() {
      await database.close();
      await adminQuery(admin, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

async function adminQuery(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

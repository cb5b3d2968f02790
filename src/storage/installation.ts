import type { Queryable } from '../model/database.js';

/** A UUID that the database was given when it was made, and keeps through dumps and replicas. */
export async function databaseId(database: Queryable): Promise<string> {
  const [row] = await database.query<{ id: string }>('SELECT database_id AS id FROM plumbline.installation');
  return row!.id;
}

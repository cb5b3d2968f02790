import type { Queryable } from '../model/database.js';

/** A training's progress under one key: kept in PostgreSQL, so that any worker can go on from it. */
export function checkpointFor(database: Queryable, key: string) {
  return {
    async load(): Promise<Uint8Array | undefined> {
      const [row] = await database.query<{ content: Buffer }>(
        'SELECT content FROM plumbline.checkpoints WHERE key = $1',
        [key],
      );
      return row?.content;
    },
    async save(content: Uint8Array): Promise<void> {
      await database.execute(
        `INSERT INTO plumbline.checkpoints (key, content) VALUES ($1, $2)
         ON CONFLICT (key) DO UPDATE SET content = excluded.content, updated_at = clock_timestamp()`,
        [key, Buffer.from(content)],
      );
    },
    async clear(): Promise<void> {
      await database.execute(
        `DELETE FROM plumbline.checkpoints WHERE key = $1 OR updated_at < now() - interval '30 days'`,
        [key],
      );
    },
  };
}

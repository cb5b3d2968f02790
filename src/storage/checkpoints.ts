import type { Queryable } from '../model/database.js';

/**
 * A training's progress under one key: kept in PostgreSQL, so that any worker can go on from it. Only the newest attempt
 * of the step saves: an earlier one that thaws late must not put its own over it.
 */
export function checkpointFor(
  database: Queryable,
  key: string,
  by: { readonly runId: string; readonly step: string; readonly attempt: number },
) {
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
        `INSERT INTO plumbline.checkpoints (key, content)
         SELECT $1, $2 FROM plumbline.run_steps WHERE run_id = $3 AND step = $4 AND attempt = $5 AND status = 'running'
         ON CONFLICT (key) DO UPDATE SET content = excluded.content, updated_at = clock_timestamp()`,
        [key, Buffer.from(content), by.runId, by.step, by.attempt],
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

import type { Database } from '../../model/database.js';
import type { Schemas } from '../../model/project.js';
import { dropUnlessInUse } from '../publish/drop-unless-in-use.js';

/**
 * Drops stage tables that nothing will read again: of loads that are published, replaced or failed (after `abandonLoads`
 * also the pointless ones), and tables whose publication never came. One that somebody still reads stays for the next
 * call. Call it while holding the project's lease. Gives the names dropped.
 */
export async function sweepStages({
  database,
  schemas,
}: {
  readonly database: Database;
  readonly schemas: Pick<Schemas, 'stage'>;
}): Promise<string[]> {
  return database.session(async (session) => {
    const orphans = await session.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname ~ '^((load|publish)_[0-9]+(_keys|_child_[0-9]+)?|group_[0-9]+_[0-9]+)$' AND NOT EXISTS (
         SELECT 1 FROM plumbline.loads l WHERE l.stage_schema = $1 AND l.status IN ('loading', 'staged')
           AND (c.relname IN ('load_' || l.load_id, 'load_' || l.load_id || '_keys', l.stage_table)
             OR c.relname ~ ('^load_' || l.load_id || '_child_[0-9]+$')))
       ORDER BY c.relname`,
      [schemas.stage],
    );
    const dropped: string[] = [];
    for (const { name } of orphans)
      if (await dropUnlessInUse(session, { schema: schemas.stage, name, kind: 'r' })) dropped.push(name);
    return dropped;
  });
}

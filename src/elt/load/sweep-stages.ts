import type { Database } from '../../model/database.js';
import type { Schemas } from '../../model/project.js';
import { dropUnlessInUse } from '../publish/drop-unless-in-use.js';

/**
 * Drops stage tables that nothing will read again: of loads that are published, replaced or failed, of loads that a
 * newer content of the same file or the end of their run (succeeded or cancelled) made pointless, and tables whose publication never came.
 * One that somebody still reads stays for the next call. Call it while holding the project's lease. Gives the names dropped.
 */
export async function sweepStages(options: {
  readonly database: Database;
  readonly env: string;
  readonly project: string;
  readonly schemas: Schemas;
  /** A run that is cancelled although its row does not say so yet. */
  readonly cancelledRunId?: string;
}): Promise<string[]> {
  const { database, env, project, schemas, cancelledRunId } = options;
  await database.execute(
    `UPDATE plumbline.loads AS l SET status = 'failed', stage_table = NULL, token = token + 1,
       error = '{"code": "ELT_LOAD_FENCED", "message": "the load was given up"}'
     WHERE l.env = $1 AND l.project = $2 AND l.status IN ('loading', 'staged') AND (
       EXISTS (SELECT 1 FROM plumbline.loads n WHERE (n.env, n.project, n.resource, n.path) = (l.env, l.project, l.resource, l.path)
               AND n.load_id > l.load_id AND n.status <> 'failed')
       OR l.run_id = $3
       OR EXISTS (SELECT 1 FROM plumbline.runs r WHERE r.run_id = l.run_id AND r.status IN ('succeeded', 'cancelled')))`,
    [env, project, cancelledRunId ?? null],
  );
  await database.execute(
    `DELETE FROM plumbline.load_pieces AS p USING plumbline.loads AS l
     WHERE l.load_id = p.load_id AND l.env = $1 AND l.project = $2 AND l.status <> 'loading'`,
    [env, project],
  );
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

import type { Database } from '../../model/database.js';
import type { Schemas } from '../../model/project.js';
import { dropReplaced } from '../publish/drop-replaced.js';
import { dropUnlessInUse, type DroppedRelation } from '../publish/drop-unless-in-use.js';
import { shownName } from '../publish/table-name.js';

/**
 * Drops what builds left in the stage schema: those whose connection is gone and whose run, if it is on record, does
 * not run any more. Called when no run of the project is at work, at its start and after its end. One that somebody
 * still reads stays for the next call, and a finished one that waits for a later run stays as long as it is kept.
 *
 * @returns the names dropped, `schema.name`
 */
export async function sweepBuilds(options: {
  readonly database: Database;
  readonly schemas: Pick<Schemas, 'stage'>;
  /** A run that is over although its row does not say so yet. */
  readonly endedRunId?: string;
}): Promise<string[]> {
  const { database, schemas, endedRunId } = options;
  const leftovers = await database.query<DroppedRelation & Record<string, unknown>>(
    `SELECT b.stage_schema AS schema, b.stage_name AS name, c.relkind::text AS kind
     FROM plumbline.transform_builds b
     JOIN pg_namespace n ON n.nspname = b.stage_schema
     JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = b.stage_name
     WHERE b.stage_schema = $1 AND (b.kept_until IS NULL OR b.kept_until < now())
       AND NOT EXISTS (SELECT FROM plumbline.runs r WHERE r.run_id = b.run_id AND r.status = 'running'
         AND r.run_id IS DISTINCT FROM $2)
       AND NOT EXISTS (SELECT FROM pg_stat_activity a
         WHERE a.pid = b.pid AND a.backend_start = b.backend_start AND a.pid <> pg_backend_pid()
           AND b.status IN ('building', 'tested') AND a.state <> 'idle')
     ORDER BY 2`,
    [schemas.stage, endedRunId ?? null],
  );
  const dropped = await database.session(async (session) => {
    const names: string[] = [];
    for (const staged of leftovers) if (await dropUnlessInUse(session, staged)) names.push(shownName(staged));
    return names;
  });
  return [...dropped, ...(await dropReplaced(database, schemas.stage))];
}

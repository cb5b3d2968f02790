import type { Database } from '../../model/database.js';

export interface Abandoned {
  readonly database: Database;
  readonly env: string;
  readonly project: string;
  /** A run that is cancelled although its row does not say so yet. */
  readonly cancelledRunId?: string;
}

/**
 * Marks loads as failed that nobody will go on with: a newer content of the same file, or the end of their run (succeeded or
 * cancelled) made them pointless. Call it while holding the project's lease.
 */
export async function abandonLoads({ database, env, project, cancelledRunId }: Abandoned): Promise<void> {
  await database.execute(
    `WITH abandoned AS (
       UPDATE plumbline.loads AS l SET status = 'failed', stage_table = NULL, token = token + 1,
         error = '{"code": "ELT_LOAD_FENCED", "message": "the load was given up"}'
       WHERE l.env = $1 AND l.project = $2 AND l.status IN ('loading', 'staged') AND (
         EXISTS (SELECT 1 FROM plumbline.loads n WHERE (n.env, n.project, n.resource, n.path) = (l.env, l.project, l.resource, l.path)
                 AND n.load_id > l.load_id AND n.status <> 'failed')
         OR l.run_id = $3
         OR EXISTS (SELECT 1 FROM plumbline.runs r WHERE r.run_id = l.run_id AND r.status IN ('succeeded', 'cancelled')))
       RETURNING l.load_id)
     DELETE FROM plumbline.load_pieces AS p USING plumbline.loads AS l
     WHERE l.load_id = p.load_id AND l.env = $1 AND l.project = $2
       AND (l.status <> 'loading' OR l.load_id IN (SELECT load_id FROM abandoned))`,
    [env, project, cancelledRunId ?? null],
    { isKept: true },
  );
}

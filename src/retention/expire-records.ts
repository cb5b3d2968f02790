import type { Queryable } from '../model/database.js';
import type { RetentionConfig } from '../model/project.js';

/** Rows that went, by table. */
export type Expired = Readonly<Record<string, number>>;

/**
 * Deletes records of a project that are older than it keeps them: what makes raw objects, models and bundles unreferenced. Stays,
 * however old: what a registered model version was made from, what an active load has in a table, the newest of each kind, and what a
 * run in progress, or another open workflow, works with. Call it in a transaction, after `listLineage`.
 */
export async function expireRecords(
  session: Queryable,
  scope: {
    readonly env: string;
    readonly project: string;
    readonly retention: RetentionConfig;
    /** Of bundles. */
    readonly inUse?: readonly string[];
  },
): Promise<Expired> {
  const { env, project, retention, inUse = [] } = scope;
  const expired: Record<string, number> = {};
  const expire = async (table: string, keepMs: number | undefined, where: string): Promise<void> => {
    if (keepMs === undefined) return;
    expired[table] = await session.execute(
      `WITH asked AS (SELECT $1::text AS env, $2::text AS project, $4::text[] AS in_use, clock_timestamp() - $3::float8 * interval '1 millisecond' AS before)
       DELETE FROM plumbline.${table} AS old USING asked WHERE ${where}`,
      [env, project, keepMs, inUse],
    );
  };
  const own = '(old.env, old.project) = (asked.env, asked.project)';

  await expire(
    'rejects',
    retention.rejectsMs,
    `EXISTS (SELECT FROM plumbline.loads l WHERE l.load_id = old.load_id AND (l.env, l.project) = (asked.env, asked.project)
       AND l.status NOT IN ('loading', 'staged') AND coalesce(l.published_at, l.staged_at, l.started_at) < asked.before)`,
  );
  await expire('predictions', retention.predictionsMs, `${own} AND old.at < asked.before`);
  await expire(
    'step_results',
    retention.runsMs,
    `${own} AND old.created_at < asked.before
     AND NOT EXISTS (SELECT FROM lineage l WHERE (l.env, l.project, l.step, l.fingerprint) = (old.env, old.project, old.step, old.fingerprint))
     AND EXISTS (SELECT FROM plumbline.step_results n WHERE (n.env, n.project, n.step) = (old.env, old.project, old.step)
       AND (n.created_at, n.fingerprint) > (old.created_at, old.fingerprint))`,
  );
  await expire(
    'runs',
    retention.runsMs,
    `${own} AND old.status <> 'running' AND coalesce(old.ended_at, old.started_at) < asked.before
     AND NOT EXISTS (SELECT FROM plumbline.runs again WHERE again.retry_of = old.run_id)
     AND NOT EXISTS (SELECT FROM plumbline.model_versions v WHERE v.run_id = old.run_id)
     AND NOT EXISTS (SELECT FROM lineage l WHERE l.run_id = old.run_id)
     AND NOT EXISTS (SELECT FROM plumbline.loads l WHERE l.run_id = old.run_id AND l.status IN ('loading', 'staged'))
     AND EXISTS (SELECT FROM plumbline.runs n WHERE (n.env, n.project) = (old.env, old.project) AND n.started_at > old.started_at)`,
  );
  await expire(
    'bundles',
    retention.runsMs,
    `old.project = asked.project AND old.used_at < asked.before AND old.digest <> ALL(asked.in_use)
     AND NOT EXISTS (SELECT FROM plumbline.runs r WHERE r.bundle = old.digest)
     AND NOT EXISTS (SELECT FROM plumbline.model_versions v WHERE v.bundle = old.digest)
     AND NOT EXISTS (SELECT FROM plumbline.schedules s WHERE s.bundle = old.digest)`,
  );
  await expire(
    'extracts',
    retention.rawMs,
    `${own} AND coalesce(old.completed_at, old.started_at) < asked.before
     AND NOT EXISTS (SELECT FROM plumbline.runs r WHERE r.run_id = old.run_id AND r.status = 'running')
     AND EXISTS (SELECT FROM plumbline.extracts n WHERE (n.env, n.project, n.resource) = (old.env, old.project, old.resource)
       AND n.extract_id > old.extract_id AND n.completed_at IS NOT NULL)`,
  );
  await expire(
    'raw_objects',
    retention.rawMs,
    `${own} AND old.seen_at < asked.before
     AND EXISTS (SELECT FROM plumbline.raw_objects n
       WHERE (n.env, n.project, n.resource, n.path) = (old.env, old.project, old.resource, old.path) AND n.seen_at > old.seen_at)
     AND NOT EXISTS (SELECT FROM active_objects a WHERE a.sha256 = old.sha256)
     AND NOT EXISTS (SELECT FROM lineage_objects l WHERE l.sha256 = old.sha256)`,
  );
  return expired;
}

import type { ArtifactRef } from '../../model/artifact.js';
import type { Database } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import type { ExtractedObject } from '../load/load-result.js';

/** A line of the landing zone's manifest for an object that was made of pages. @param path as the project names it */
export async function addRawObject(
  by: {
    readonly database: Database;
    readonly env: string;
    readonly project: string;
    readonly resource: Pick<ResourceConfig, 'id' | 'source'>;
    readonly runId: string;
  },
  path: string,
  object: ArtifactRef,
): Promise<ExtractedObject> {
  const { database, env, project, resource, runId } = by;
  const [added] = await database.query<{ isNew: boolean }>(
    `INSERT INTO plumbline.raw_objects (env, project, source, resource, path, sha256, bytes, mtime_ms, fetched_at, seen_at, run_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, (extract(epoch FROM now()) * 1000)::bigint, now(), now(), $8)
     ON CONFLICT (env, project, resource, path, sha256) DO UPDATE SET seen_at = excluded.seen_at
     RETURNING xmax = 0 AS "isNew"`,
    [env, project, resource.source, resource.id, path, object.sha256, object.bytes, runId],
  );
  return { path, sha256: object.sha256, bytes: object.bytes, isUnchanged: added?.isNew === false };
}

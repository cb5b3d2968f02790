import { failpoint } from '../../failpoint.js';
import type { ExtractOptions } from './extract-files.js';

export interface FetchedObject {
  readonly sha256: string;
  readonly bytes: number;
  /** What its server says of it; of a member of an archive, the archive's hash. */
  readonly etag: string | null;
  readonly lastModified: string | null;
}

/**
 * A line of the landing zone's manifest for what a server gave.
 *
 * @returns whether the path had this content before
 */
export async function addFetchedObject(
  path: string,
  { sha256, bytes, etag, lastModified }: FetchedObject,
  { database, env, project, resource, runId, now }: ExtractOptions,
): Promise<boolean> {
  await failpoint('extract.stored');
  const rows = await database.query<{ isNew: boolean }>(
    `INSERT INTO plumbline.raw_objects
       (env, project, source, resource, path, sha256, bytes, mtime_ms, fetched_at, seen_at, run_id, etag, last_modified)
     VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $8, $9, $10, $11)
     ON CONFLICT (env, project, resource, path, sha256) DO UPDATE
       SET seen_at = excluded.seen_at, etag = excluded.etag, last_modified = excluded.last_modified
     RETURNING xmax = 0 AS "isNew"`,
    [env, project, resource.source, resource.id, path, sha256, bytes, now.toISOString(), runId, etag, lastModified],
  );
  return rows[0]?.isNew === false;
}

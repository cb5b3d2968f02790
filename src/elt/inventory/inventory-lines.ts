import type { Database, Queryable } from '../../model/database.js';
import type { ExpectedObject } from './expected-objects.js';

export interface InventoryKey {
  readonly env: string;
  readonly project: string;
  readonly source: string;
  readonly resource: string;
}

/** One line of plumbline.inventory. */
export interface InventoryLine {
  readonly url: string;
  readonly sha256: string | null;
  readonly bytes: number | null;
  readonly httpStatus: number | null;
  readonly batch: number | null;
}

/** Brings the lines of a resource to what is expected now: new ones are gaps, those no longer named go. What is missing is asked for again by each run. */
export async function expectObjects(
  database: Database,
  key: InventoryKey,
  runId: string,
  expected: readonly ExpectedObject[],
): Promise<void> {
  const urls = expected.map(({ url }) => url);
  const of = [key.env, key.project, key.resource];
  await database.transaction(async (session) => {
    await session.execute(
      'DELETE FROM plumbline.inventory WHERE env = $1 AND project = $2 AND resource = $3 AND url <> ALL($4::text[])',
      [...of, urls],
    );
    await session.execute(
      `INSERT INTO plumbline.inventory AS i (env, project, resource, url, run_id, source) SELECT $1, $2, $3, url, $5, $6 FROM unnest($4::text[]) AS url
       ON CONFLICT (env, project, resource, url) DO UPDATE SET run_id = excluded.run_id,
         http_status = CASE WHEN i.run_id = excluded.run_id THEN i.http_status END`,
      [...of, urls, runId, key.source],
    );
  });
}

export async function inventoryLines(
  database: Queryable,
  key: InventoryKey,
): Promise<ReadonlyMap<string, InventoryLine>> {
  const lines = await database.query<InventoryLine>(
    `SELECT url, sha256, bytes::float8 AS bytes, http_status AS "httpStatus", batch FROM plumbline.inventory
     WHERE env = $1 AND project = $2 AND resource = $3`,
    [key.env, key.project, key.resource],
  );
  return new Map(lines.map((line) => [line.url, line]));
}

export interface ManifestObject {
  readonly url: string;
  readonly sha256: string;
  readonly bytes: number;
}

/**
 * The newest object that any resource of the source has from each address.
 *
 * @param fetchedBy only those that this run fetched
 */
export async function manifestObjects(
  database: Queryable,
  key: InventoryKey,
  urls: readonly string[],
  fetchedBy?: string,
): Promise<ReadonlyMap<string, ManifestObject>> {
  const objects = await database.query<ManifestObject>(
    `SELECT DISTINCT ON (path) path AS url, sha256, bytes::float8 AS bytes FROM plumbline.raw_objects
     WHERE env = $1 AND project = $2 AND source = $3 AND path = ANY($4::text[]) AND ($5::text IS NULL OR run_id = $5)
     ORDER BY path, seen_at DESC`,
    [key.env, key.project, key.source, urls, fetchedBy ?? null],
  );
  return new Map(objects.map((object) => [object.url, object]));
}

export interface LandedObject extends ManifestObject {
  readonly etag: string | null;
  readonly lastModified: string | null;
}

/** Adds an object to the manifest and closes its gap, in one transaction. Idempotent. */
export async function landObject(
  database: Database,
  key: InventoryKey,
  runId: string,
  object: LandedObject,
): Promise<void> {
  const { env, project, source, resource } = key;
  const { url, sha256, bytes, etag, lastModified } = object;
  await database.transaction(async (session) => {
    await session.execute(
      `INSERT INTO plumbline.raw_objects
         (env, project, source, resource, path, sha256, bytes, mtime_ms, fetched_at, seen_at, run_id, etag, last_modified)
       VALUES ($1, $2, $3, $4, $5, $6, $7, 0, now(), now(), $8, $9, $10)
       ON CONFLICT (env, project, resource, path, sha256) DO UPDATE SET seen_at = excluded.seen_at,
         fetched_at = excluded.fetched_at, run_id = excluded.run_id, etag = excluded.etag, last_modified = excluded.last_modified`,
      [env, project, source, resource, url, sha256, bytes, runId, etag, lastModified],
    );
    await session.execute(
      `UPDATE plumbline.inventory SET sha256 = $5, bytes = $6, http_status = NULL
       WHERE env = $1 AND project = $2 AND resource = $3 AND url = $4`,
      [env, project, resource, url, sha256, bytes],
    );
  });
}

/** Makes objects that another resource of the source has landed this one's too: their gaps are closed without fetching. */
export async function shareObjects(
  database: Database,
  key: InventoryKey,
  objects: readonly ManifestObject[],
): Promise<void> {
  if (objects.length === 0) return;
  const { env, project, source, resource } = key;
  const of = [env, project, resource, objects.map(({ url }) => url), objects.map(({ sha256 }) => sha256)];
  await database.transaction(async (session) => {
    await session.execute(
      `INSERT INTO plumbline.raw_objects
         (env, project, source, resource, path, sha256, bytes, mtime_ms, fetched_at, seen_at, run_id, etag, last_modified)
       SELECT DISTINCT ON (o.path) o.env, o.project, o.source, $3, o.path, o.sha256, o.bytes, o.mtime_ms, o.fetched_at, now(), o.run_id,
         o.etag, o.last_modified
       FROM plumbline.raw_objects AS o JOIN unnest($4::text[], $5::text[]) AS k (url, sha256) ON k.url = o.path AND k.sha256 = o.sha256
       WHERE o.env = $1 AND o.project = $2 AND o.source = $6 ORDER BY o.path, o.fetched_at DESC
       ON CONFLICT (env, project, resource, path, sha256) DO UPDATE SET seen_at = excluded.seen_at`,
      [...of, source],
    );
    await session.execute(
      `UPDATE plumbline.inventory AS i SET sha256 = k.sha256, bytes = k.bytes, http_status = NULL
       FROM unnest($4::text[], $5::text[], $6::bigint[]) AS k (url, sha256, bytes)
       WHERE env = $1 AND project = $2 AND resource = $3 AND i.url = k.url`,
      [...of, objects.map(({ bytes }) => bytes)],
    );
  });
}

/** Notes that the server has no such object. What was landed from the address before, if anything, stays. */
export async function markMissing(
  database: Queryable,
  key: InventoryKey,
  url: string,
  httpStatus: number,
): Promise<void> {
  await database.execute(
    `UPDATE plumbline.inventory SET http_status = $5 WHERE env = $1 AND project = $2 AND resource = $3 AND url = $4`,
    [key.env, key.project, key.resource, url, httpStatus],
  );
}

/** Addresses that this run was told are missing, by whichever resource of the source asked. */
export async function knownMissing(
  database: Queryable,
  key: InventoryKey,
  runId: string,
): Promise<ReadonlyMap<string, number>> {
  const lines = await database.query<{ url: string; httpStatus: number }>(
    `SELECT url, http_status AS "httpStatus" FROM plumbline.inventory
     WHERE env = $1 AND project = $2 AND source = $3 AND run_id = $4 AND http_status IS NOT NULL`,
    [key.env, key.project, key.source, runId],
  );
  return new Map(lines.map(({ url, httpStatus }) => [url, httpStatus]));
}

/** Notes what a batch's list names, so that PostgreSQL alone leads from rows to raw objects and back. Idempotent. */
export async function recordBatch(
  database: Queryable,
  listSha256: string,
  entries: readonly { readonly url: string; readonly sha256: string }[],
): Promise<void> {
  await database.execute(
    `INSERT INTO plumbline.batch_objects (list_sha256, place, url, sha256)
     SELECT $1, place, url, sha256 FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS e (url, sha256, place)
     ON CONFLICT DO NOTHING`,
    [listSha256, entries.map(({ url }) => url), entries.map(({ sha256 }) => sha256)],
  );
}

export async function saveBatches(
  database: Queryable,
  key: InventoryKey,
  batches: ReadonlyMap<string, number>,
): Promise<void> {
  await database.execute(
    `UPDATE plumbline.inventory AS i SET batch = b.batch FROM unnest($4::text[], $5::integer[]) AS b (url, batch)
     WHERE env = $1 AND project = $2 AND resource = $3 AND i.url = b.url`,
    [key.env, key.project, key.resource, [...batches.keys()], [...batches.values()]],
  );
}

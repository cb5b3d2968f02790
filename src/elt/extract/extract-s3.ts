import { Readable } from 'node:stream';
import { TerminalError } from '../../errors.js';
import type { ResourceConfig } from '../../model/project.js';
import { parseS3 } from '../../s3/location.js';
import type { S3Bucket, S3Object } from '../../s3/open-bucket.js';
import type { ExtractedObject } from '../load/load-result.js';
import { addFetchedObject } from './add-fetched-object.js';
import { extractArchive } from './extract-archive.js';
import type { ExtractOptions } from './extract-files.js';
import { inOrder } from './in-order.js';
import { inspectFile } from './inspect-file.js';
import { isGlob } from '../../model/is-glob.js';
import { globMatcher } from './match-files.js';
import { resourceBucket } from './resource-bucket.js';
import { isArchive } from './zip-members.js';

// Small objects wait for the network most of the time; large ones fill it alone.
const AT_ONCE = 6;

/**
 * Puts the objects that an s3:// path or glob names into the artifact store, with a line in plumbline.raw_objects each, in the order of
 * their keys; each member of a zip archive is an object of its own. An object whose ETag, size and time are those of its last line is not read again. Idempotent: a second attempt fetches what
 * the first did not.
 *
 * Terminal: `ELT_FILE_MISSING`, `ELT_FILE_…` of what the objects hold, `S3_…` of rights, credentials and names. Transient: `S3_BUSY`,
 * `S3_CUT`, `S3_UNREACHABLE`, `S3_CHECKSUM`, `S3_OBJECT_CHANGED`.
 */
export async function extractS3(options: ExtractOptions): Promise<ExtractedObject[]> {
  const { signal } = options;
  const { bucket: name } = parseS3(options.resource.path);
  const bucket = await resourceBucket(options);
  try {
    const objects = await matchObjects(bucket, options.resource, signal);
    const known = await knownObjects(options);
    const progress = { files: 0, filesTotal: objects.length, bytes: 0 };
    const extracted = await inOrder(objects, AT_ONCE, signal, async (object, stop) => {
      const path = `s3://${name}/${object.key}`;
      const last = known.get(path);
      const isKnown = last !== undefined && isSame(last, object) && (await options.store.has(last.sha256));
      const one = isKnown
        ? { path, sha256: last.sha256, bytes: last.bytes, isUnchanged: true }
        : await fetchObject(bucket, object, path, { ...options, signal: stop });
      progress.files++;
      progress.bytes += one.bytes;
      options.onProgress?.({ ...progress });
      return isArchive(path, options.resource) ? extractArchive(one, { ...options, signal: stop }) : [one];
    });
    await markSeen(extracted.flat(), options);
    return extracted.flat();
  } finally {
    bucket.close();
  }
}

async function matchObjects(bucket: S3Bucket, resource: ResourceConfig, signal?: AbortSignal): Promise<S3Object[]> {
  const { key } = parseS3(resource.path);
  const objects: S3Object[] = [];
  if (isGlob(key)) {
    const matches = globMatcher(key);
    for await (const object of bucket.list(key.slice(0, key.search(/[*?[{]/)), signal))
      if (matches(object.key)) objects.push(object);
  } else {
    const object = await bucket.find(key, signal);
    if (object !== undefined) objects.push(object);
  }
  if (objects.length > 0) return objects.sort((one, other) => (one.key < other.key ? -1 : 1));
  throw new TerminalError('ELT_FILE_MISSING', `Reading ${resource.id} failed: no object matches ${resource.path}.`, {
    at: resource.at,
    details: { path: resource.path },
    next: 'Correct `path` in plumbline.yaml, or put the object there. The table keeps its former rows.',
  });
}

async function fetchObject(
  bucket: S3Bucket,
  object: S3Object,
  path: string,
  options: ExtractOptions,
): Promise<ExtractedObject> {
  const { store, resource, signal } = options;
  const stored = await store.put(Readable.from(bucket.read(object, signal), { objectMode: false }));
  if (!isArchive(path, resource)) await inspectFile({ absolute: await store.localPath(stored.sha256), path }, resource);
  const { etag, lastModified } = object;
  return { path, ...stored, isUnchanged: await addFetchedObject(path, { ...stored, etag, lastModified }, options) };
}

interface SeenObject {
  readonly sha256: string;
  readonly bytes: number;
  readonly etag: string | null;
  readonly lastModified: string | null;
}

function isSame(last: SeenObject, { etag, bytes, lastModified }: S3Object): boolean {
  return etag !== '' && last.etag === etag && last.bytes === bytes && last.lastModified === lastModified;
}

/** The newest line of every path. */
async function knownObjects({ database, env, project, resource }: ExtractOptions): Promise<Map<string, SeenObject>> {
  const rows = await database.query<SeenObject & { path: string }>(
    `SELECT DISTINCT ON (path) path, sha256, bytes::float8 AS bytes, etag, last_modified AS "lastModified"
     FROM plumbline.raw_objects WHERE env = $1 AND project = $2 AND resource = $3 ORDER BY path, seen_at DESC`,
    [env, project, resource.id],
  );
  return new Map(rows.map(({ path, ...row }) => [path, row]));
}

/** All of one extract have one time, so that the newest lines are what the bucket held. */
async function markSeen(
  objects: readonly ExtractedObject[],
  { database, env, project, resource, now }: ExtractOptions,
): Promise<void> {
  await database.execute(
    `UPDATE plumbline.raw_objects AS o SET seen_at = $4
     FROM unnest($5::text[], $6::text[]) AS seen (path, sha256)
     WHERE o.env = $1 AND o.project = $2 AND o.resource = $3 AND o.path = seen.path AND o.sha256 = seen.sha256`,
    [env, project, resource.id, now.toISOString(), objects.map(({ path }) => path), objects.map((one) => one.sha256)],
  );
}

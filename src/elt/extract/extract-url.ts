import { Readable } from 'node:stream';
import type { Queryable } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { assertStatus } from '../http/assert-status.js';
import { declaredHeaders } from '../http/declared-headers.js';
import { guardedFetch, shownUrl, type GuardedResponse } from '../http/guarded-fetch.js';
import { inTurn } from '../http/in-turn.js';
import { waitForTurn } from '../http/rate-limit.js';
import { refusePage } from '../http/refuse-page.js';
import { unpackedBody } from '../http/unpacked-body.js';
import type { ExtractedObject } from '../load/load-result.js';
import { addFetchedObject, type FetchedObject } from './add-fetched-object.js';
import { extractArchive } from './extract-archive.js';
import type { ExtractOptions } from './extract-files.js';
import { inspectFile } from './inspect-file.js';
import { isArchive } from './zip-members.js';

/** Whether a resource's path is fetched over HTTP. */
export function isUrl(path: string): boolean {
  return /^https?:\/\//i.test(path);
}

/**
 * Puts what a URL gives into the artifact store, with a line in plumbline.raw_objects, and of a zip archive its members too. A server that knows the ETag or the time of the
 * former content sends nothing when that is still right, also where another resource of the source fetched it: an archive of several tables comes once. Idempotent: a transfer that stops leaves nothing and starts anew. With a rate limit
 * it waits for the source's turn, and asks again what is transient before it throws it.
 *
 * Terminal: `ELT_HTTP_STATUS`, `ELT_HTTP_ADDRESS_REFUSED`, `ELT_HTTP_PAGE` (a web page instead of data), `ELT_SECRET_…`, `ELT_FILE_…`, `ELT_ZIP_…`. Transient:
 * `ELT_HTTP_CUT`, `ELT_HTTP_UNREACHABLE`, `ELT_HTTP_STATUS_TRANSIENT`.
 */
export async function extractUrl(options: ExtractOptions): Promise<ExtractedObject[]> {
  const { database, env, project, resource, signal } = options;
  const intervalMs = resource.requests?.intervalMs ?? 0;
  const limit = { database, env, project, source: resource.source, intervalMs };
  const fetched = await oneAtATime(`${env} ${project} ${resource.source} ${resource.path}`, () =>
    intervalMs === 0
      ? fetchUrl(options)
      : inTurn({ limit, signal }, () => fetchUrl(options, () => waitForTurn(limit, signal))),
  );
  // Members are named by the address without its parameters: what those hold may be a key.
  const path = withoutParameters(fetched.path);
  return isArchive(path, resource) ? extractArchive({ ...fetched, path }, options) : [fetched];
}

const fetching = new Map<string, Promise<unknown>>();

/** Resources of this worker that ask for the same URL do so one after the other: the first one's validators save the others the transfer. */
async function oneAtATime<T>(url: string, fetch: () => Promise<T>): Promise<T> {
  const before = fetching.get(url) ?? Promise.resolve();
  const mine = before.catch(() => undefined).then(fetch);
  fetching.set(url, mine);
  try {
    return await mine;
  } finally {
    if (fetching.get(url) === mine) fetching.delete(url);
  }
}

/** Whether a URL is that of a zip archive. */
export function isUrlOfArchive(resource: ResourceConfig): boolean {
  return isUrl(resource.path) && isArchive(withoutParameters(resource.path), resource);
}

function withoutParameters(url: string): string {
  return url.replace(/[?#].*$/s, '');
}

async function fetchUrl(options: ExtractOptions, beforeRedirect?: () => Promise<void>): Promise<ExtractedObject> {
  const { store, resource, signal, now, root, environment = process.env } = options;
  const { path } = resource;
  const last = await lastFetched(options.database, options);
  const known = last !== undefined && (await store.has(last.sha256)) ? last : undefined;
  const { headers, secretHeaders } = await declaredHeaders(resource.requests?.headers ?? {}, environment, root);
  const response = await guardedFetch({
    url: path,
    headers: { ...headers, ...conditions(known) },
    secretHeaders,
    allowPrivate: resource.allowPrivate ?? false,
    ...(beforeRedirect && { beforeRedirect }),
    signal,
  });
  if (response.status === 304 && known !== undefined) {
    for await (const _chunk of response.body); // A 304 has no body; reading to its end frees the connection.
    const wasThere = await addFetchedObject(path, known, options);
    return { path, sha256: known.sha256, bytes: known.bytes, isUnchanged: wasThere };
  }
  // A refused answer is read too: its connection would stay open.
  if (response.status >= 300) for await (const _ of response.body) break;
  assertStatus(response, now, { headers });
  const stored = await store.put(Readable.from(watched(response, options)));
  if (!isUrlOfArchive(resource))
    await inspectFile({ absolute: await store.localPath(stored.sha256), path: shownUrl(path) }, resource);
  const wasThere = await addFetchedObject(
    path,
    { ...stored, etag: response.headers.etag ?? null, lastModified: response.headers['last-modified'] ?? null },
    options,
  );
  return { path, ...stored, isUnchanged: wasThere };
}

/** What the URL of a resource gave when it was last fetched for its source. */
export async function lastFetched(
  database: Queryable,
  of: { readonly env: string; readonly project: string; readonly resource: ResourceConfig },
): Promise<FetchedObject | undefined> {
  const rows = await database.query<FetchedObject>(
    `SELECT sha256, bytes::float8 AS bytes, etag, last_modified AS "lastModified" FROM plumbline.raw_objects
     WHERE env = $1 AND project = $2 AND source = $3 AND path = $4 ORDER BY seen_at DESC LIMIT 1`,
    [of.env, of.project, of.resource.source, of.resource.path],
  );
  return rows[0];
}

function conditions(known: FetchedObject | undefined): Record<string, string> {
  return {
    ...(known?.etag != null && { 'if-none-match': known.etag }),
    ...(known?.lastModified != null && { 'if-modified-since': known.lastModified }),
  };
}

async function* watched(response: GuardedResponse, options: ExtractOptions): AsyncGenerator<Buffer> {
  const { parse, path, at } = options.resource;
  const from = { url: path, contentType: response.headers['content-type'], at };
  const body = unpackedBody(response);
  let bytes = 0;
  for await (const chunk of parse === undefined ? refusePage(body, from) : body) {
    bytes += chunk.length;
    options.onProgress?.({ files: 0, filesTotal: 1, bytes });
    yield chunk;
  }
}

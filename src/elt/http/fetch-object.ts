import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { TransientError, type SourcePosition } from '../../errors.js';
import type { ArtifactRef, ArtifactStore } from '../../model/artifact.js';
import { assertUnpackable } from '../read/unpack-limits.js';
import { assertStatus } from './assert-status.js';
import type { DeclaredHeaders } from './declared-headers.js';
import { guardedFetch, shownUrl, type GuardedResponse } from './guarded-fetch.js';
import { inTurn, type TurnOptions } from './in-turn.js';
import { refusePage } from './refuse-page.js';

export interface FetchOptions extends TurnOptions, DeclaredHeaders {
  readonly store: ArtifactStore;
  readonly allowPrivate: boolean;
  /** Where the project names the objects, when a web page in place of one is refused. */
  readonly refusePagesAt?: SourcePosition;
  /** How long headers, and silence in a body, may last. @default 30000 */
  readonly timeoutMs?: number;
}

export type FetchedObject =
  | (ArtifactRef & { readonly etag: string | null; readonly lastModified: string | null })
  /** The server has no such object: 404 or 410. */
  | { readonly missing: number };

/**
 * One object of an inventory into the artifact store, when its turn has come. A cut transfer leaves nothing and is tried again, as are 429,
 * 5xx and silence. What it throws then is transient; 401, 403 and the rest are terminal.
 */
export async function fetchObject(url: string, options: FetchOptions): Promise<FetchedObject> {
  return inTurn(options, () => fetchOnce(url, options));
}

async function fetchOnce(url: string, options: FetchOptions): Promise<FetchedObject> {
  const { headers, secretHeaders, allowPrivate, signal, timeoutMs } = options;
  const response = await guardedFetch({
    url,
    headers,
    secretHeaders,
    allowPrivate,
    signal,
    ...(timeoutMs === undefined ? {} : { headersTimeoutMs: timeoutMs, idleTimeoutMs: timeoutMs }),
  });
  const { status } = response;
  if (status < 200 || status >= 300) {
    // Its connection would stay open.
    for await (const _ of response.body) break;
    if (status === 404 || status === 410) return { missing: status };
    assertStatus(response, new Date(), { headers });
  }
  const stored = await options.store
    .put(Readable.from(checked(response, options.refusePagesAt)))
    .catch((error: unknown) => {
      throw isGzipError(error) ? damaged(url, error) : error;
    });
  const { etag, 'last-modified': lastModified } = response.headers;
  return { ...stored, etag: etag ?? null, lastModified: lastModified ?? null };
}

function checked(response: GuardedResponse, at: SourcePosition | undefined): AsyncIterable<Buffer> {
  const body = bodyOf(response);
  const { url, headers } = response;
  return at === undefined ? body : refusePage(body, { url, contentType: headers['content-type'], at });
}

/** Unpacked where the server packed it unasked; throws `ELT_FILE_BOMB` for what unpacks to far too much. */
async function* bodyOf({ url, body, headers }: GuardedResponse): AsyncGenerator<Buffer> {
  if (headers['content-encoding'] !== 'gzip') {
    yield* body;
    return;
  }
  let packedBytes = 0;
  let bytes = 0;
  const packed = Readable.from(body);
  packed.on('data', (chunk: Buffer) => (packedBytes += chunk.length));
  const gunzip = createGunzip();
  packed.on('error', (error) => gunzip.destroy(error));
  try {
    for await (const chunk of packed.pipe(gunzip) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      assertUnpackable(shownUrl(url), packedBytes, bytes);
      yield chunk;
    }
  } finally {
    packed.destroy();
    gunzip.destroy();
  }
}

function isGzipError(error: unknown): error is Error {
  return String((error as NodeJS.ErrnoException).code ?? '').startsWith('Z_');
}

function damaged(url: string, cause: Error): TransientError {
  return new TransientError('ELT_HTTP_CUT', `Fetching ${shownUrl(url)} failed: its gzip encoding is damaged or cut (${cause.message}).`, {
    cause,
    next: 'Nothing: the step is tried again.',
  }); // prettier-ignore
}

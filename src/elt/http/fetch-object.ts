import { Readable } from 'node:stream';
import type { SourcePosition } from '../../errors.js';
import type { ArtifactRef, ArtifactStore } from '../../model/artifact.js';
import { assertStatus } from './assert-status.js';
import type { DeclaredHeaders } from './declared-headers.js';
import { guardedFetch, type GuardedResponse } from './guarded-fetch.js';
import { inTurn, type TurnOptions } from './in-turn.js';
import { waitForTurn } from './rate-limit.js';
import { refusePage } from './refuse-page.js';
import { unpackedBody } from './unpacked-body.js';

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
  const { headers, secretHeaders, allowPrivate, limit, signal, timeoutMs } = options;
  const response = await guardedFetch({
    url,
    headers,
    secretHeaders,
    allowPrivate,
    beforeRedirect: () => waitForTurn(limit, signal),
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
  const stored = await options.store.put(Readable.from(checked(response, options.refusePagesAt)));
  const { etag, 'last-modified': lastModified } = response.headers;
  return { ...stored, etag: etag ?? null, lastModified: lastModified ?? null };
}

function checked(response: GuardedResponse, at: SourcePosition | undefined): AsyncIterable<Buffer> {
  const body = unpackedBody(response);
  const { url, headers } = response;
  return at === undefined ? body : refusePage(body, { url, contentType: headers['content-type'], at });
}

import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import { TerminalError, TransientError } from '../../errors.js';
import type { ArtifactRef, ArtifactStore } from '../../model/artifact.js';
import { assertUnpackable } from '../read/unpack-limits.js';
import { assertStatus } from './assert-status.js';
import { guardedFetch, shownUrl, type GuardedResponse } from './guarded-fetch.js';
import { holdOff, waitForTurn, type RateLimit } from './rate-limit.js';

export interface FetchOptions {
  readonly store: ArtifactStore;
  readonly limit: RateLimit;
  readonly headers: Readonly<Record<string, string>>;
  /** Lower-case names of headers that only the first origin may see. */
  readonly secretHeaders: readonly string[];
  readonly allowPrivate: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Pauses before the second, third … try; as many tries and one more. @default 1, 2, 4 and 8 s */
  readonly pausesMs?: readonly number[];
  /** How long headers, and silence in a body, may last. @default 30000 */
  readonly timeoutMs?: number;
}

export type FetchedObject =
  | (ArtifactRef & { readonly etag: string | null; readonly lastModified: string | null })
  /** The server has no such object: 404 or 410. */
  | { readonly missing: number };

const PAUSES_MS = [1_000, 2_000, 4_000, 8_000];

/**
 * One object of an inventory into the artifact store, when its turn has come. A cut transfer leaves nothing and is tried again, as are 429,
 * 5xx and silence, after Retry-After, which then holds for all workers, or a pause. So is 403 where a rate limit is set: several
 * servers answer those that ask too fast with it. What it throws then is transient; 401, 403 and the rest are terminal.
 */
export async function fetchObject(url: string, options: FetchOptions): Promise<FetchedObject> {
  const { limit, signal } = options;
  const pauses = options.pausesMs ?? PAUSES_MS;
  for (let tries = 0; ; tries++) {
    await waitForTurn(limit, signal);
    try {
      return await fetchOnce(url, options);
    } catch (error) {
      if (!(error instanceof TransientError) && !(isForbidden(error) && limit.intervalMs > 0)) throw error;
      const { retryAfterMs } = error.details;
      if (typeof retryAfterMs === 'number') await holdOff(limit, retryAfterMs);
      if (tries === pauses.length) throw error;
      if (typeof retryAfterMs !== 'number')
        await sleep(pauses[tries], undefined, signal === undefined ? {} : { signal });
    }
  }
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
    try {
      assertStatus(response, new Date());
    } catch (error) {
      throw isForbidden(error) ? forbidden(error, url, headers) : error;
    }
  }
  const stored = await options.store.put(Readable.from(bodyOf(response))).catch((error: unknown) => {
    throw isGzipError(error) ? damaged(url, error) : error;
  });
  const { etag, 'last-modified': lastModified } = response.headers;
  return { ...stored, etag: etag ?? null, lastModified: lastModified ?? null };
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

function isForbidden(error: unknown): error is TerminalError {
  return error instanceof TerminalError && error.details['status'] === 403;
}

function forbidden(error: TerminalError, url: string, headers: FetchOptions['headers']): TerminalError {
  const isNamed = Object.keys(headers).some((name) => name.toLowerCase() === 'user-agent');
  return new TerminalError(error.code, `Fetching ${shownUrl(url)} failed: the server answered 403; expected 200.`, {
    details: error.details,
    next: isNamed
      ? 'It may be asked too fast: lower `rate_limit`. Else check the credentials in `headers`.'
      : 'Say who asks, as many servers demand: `headers: { User-Agent: "Example Co data@example.org" }`.',
    cause: error,
  });
}

import { setTimeout as sleep } from 'node:timers/promises';
import { TransientError } from '../../errors.js';
import type { HttpRequestConfig } from '../../model/project.js';
import { isReference } from '../../model/read-reference.js';
import { assertStatus } from './assert-status.js';
import { authorize } from './authorize.js';
import { guardedFetch } from './guarded-fetch.js';
import { holdOff, waitForTurn, type RateLimit } from './rate-limit.js';
import { readBody } from './read-body.js';
import type { Secrets } from './secrets.js';
import { withSecretValues } from './with-secret-values.js';

export interface ApiOptions {
  readonly config: HttpRequestConfig;
  readonly secrets: Secrets;
  readonly limit: RateLimit;
  readonly signal?: AbortSignal | undefined;
  /** Pauses before the second, third … try; as many tries and one more. @default 1, 2, 4 and 8 s */
  readonly pausesMs?: readonly number[];
  /** How long headers, and silence in a body, may last. @default 30000 */
  readonly timeoutMs?: number;
}

/** What is asked for, as the manifest has it: without secrets. */
export interface PageRequest {
  /** Without the parameters that are secret. */
  readonly url: string;
  /** JSON text with the places of secrets, sent by POST. Absent: it is a GET. */
  readonly body?: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** One source, ready to be asked. */
export interface Api {
  /**
   * One request, when its turn has come; 304 is an answer when `conditions` make it one. 429, 5xx and cut connections are tried
   * again after Retry-After, which then holds for all workers, or a pause; so is an answer that `read` throws a
   * TransientError for. A POST is tried again like a GET: it only reads. What it throws then is transient; 401, 403, 404 and the rest
   * are terminal.
   */
  ask<T>(request: PageRequest, conditions: Readonly<Record<string, string>>, read: (answer: Answer) => T): Promise<T>;
  /** The URL without the parameters that are secret. */
  withoutSecrets(url: string): string;
}

const PAUSES_MS = [1_000, 2_000, 4_000, 8_000];
/** A page is kept in memory as a whole. */
const MAX_BYTES = 64 << 20;

export function openApi(options: ApiOptions): Api {
  const { config, secrets, limit, signal } = options;
  const secretParams = Object.keys(config.params).filter((name) => isReference(config.params[name]!));
  let authorization: Promise<Readonly<Record<string, string>>> | undefined;

  const send = async ({ url, body }: PageRequest, conditions: Readonly<Record<string, string>>): Promise<Answer> => {
    authorization ??= authorize(config.auth, { secrets, allowPrivate: config.allowPrivate, signal });
    const own = await authorization.catch((error: unknown) => {
      authorization = undefined;
      throw error;
    });
    const secretHeaders = Object.keys(config.headers).filter((name) => isReference(config.headers[name]!));
    const sent =
      body === undefined ? {} : { method: 'POST', body: await withSecretValues(config.body!, body, secrets) };
    const response = await guardedFetch({
      url: await withSecrets(url),
      ...sent,
      headers: {
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(await values(config.headers)),
        ...conditions,
        ...own,
      },
      secretHeaders: [...Object.keys(own), ...secretHeaders.map((name) => name.toLowerCase())],
      allowPrivate: config.allowPrivate,
      beforeRedirect: () => waitForTurn(limit, signal),
      signal,
      ...(options.timeoutMs === undefined
        ? {}
        : { headersTimeoutMs: options.timeoutMs, idleTimeoutMs: options.timeoutMs }),
    });
    const isConditional = Object.keys(conditions).length > 0;
    const answer = async (): Promise<Answer> => ({
      status: response.status,
      headers: response.headers,
      body: await readBody(response, MAX_BYTES),
    });
    // A refused answer is read too: its connection would stay open.
    if (response.status >= 300) for await (const _ of response.body) break;
    assertStatus(response, new Date(), isConditional ? { accepted: [304] } : {});
    return response.status === 304 ? { status: 304, headers: response.headers, body: Buffer.alloc(0) } : answer();
  };

  const values = async (given: Readonly<Record<string, string>>): Promise<Record<string, string>> =>
    Object.fromEntries(
      await Promise.all(
        Object.entries(given).map(async ([name, value]) => [name, await secrets.valueOf(value)] as const),
      ),
    );

  const withSecrets = async (text: string): Promise<string> => {
    const url = new URL(text);
    for (const name of secretParams) url.searchParams.set(name, await secrets.valueOf(config.params[name]!));
    return url.href;
  };

  return {
    async ask(request, conditions, read) {
      const pauses = options.pausesMs ?? PAUSES_MS;
      let isTokenNew = authorization === undefined;
      for (let tries = 0; ; tries++) {
        await waitForTurn(limit, signal);
        try {
          return read(await send(request, conditions));
        } catch (error) {
          if (config.auth?.type === 'oauth2' && !isTokenNew && statusOf(error) === 401) {
            // The token has run out: a new one is asked for, once.
            authorization = undefined;
            isTokenNew = true;
            continue;
          }
          if (!(error instanceof TransientError)) throw error;
          const { retryAfterMs } = error.details;
          if (typeof retryAfterMs === 'number') await holdOff(limit, retryAfterMs);
          if (tries === pauses.length) throw error;
          if (typeof retryAfterMs !== 'number')
            await sleep(pauses[tries], undefined, signal === undefined ? {} : { signal });
        }
      }
    },
    withoutSecrets(text) {
      const url = new URL(text);
      for (const name of secretParams) url.searchParams.delete(name);
      return url.href;
    },
  };
}

function statusOf(error: unknown): unknown {
  return (error as { details?: { status?: unknown } }).details?.status;
}

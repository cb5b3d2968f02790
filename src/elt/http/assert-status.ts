import { TerminalError, TransientError } from '../../errors.js';
import { shownUrl, type GuardedResponse } from './guarded-fetch.js';

/**
 * Throws unless the status is 2xx or one of `accepted`. 408, 425, 429 and 5xx are transient (`ELT_HTTP_STATUS_TRANSIENT`), with
 * `details.retryAfterMs` where the server sends Retry-After; the rest is terminal (`ELT_HTTP_STATUS`).
 *
 * @param now for a Retry-After that is a date
 * @param asked `accepted`: further statuses that are none; `headers`: those of a request that may have some of the user's
 */
export function assertStatus(
  { url, status, headers }: Pick<GuardedResponse, 'url' | 'status' | 'headers'>,
  now: Date,
  asked: { readonly accepted?: readonly number[]; readonly headers?: Readonly<Record<string, string>> } = {},
): void {
  const { accepted = [], headers: sent } = asked;
  if ((status >= 200 && status < 300) || accepted.includes(status)) return;
  const message = `Fetching ${shownUrl(url)} failed: the server answered ${status}; expected ${[200, ...accepted].join(' or ')}.`;
  if (status >= 500 || [408, 425, 429].includes(status)) {
    const retryAfterMs = readRetryAfter(headers['retry-after'], now);
    throw new TransientError('ELT_HTTP_STATUS_TRANSIENT', message, {
      details: { status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
      next: `Nothing: the step is tried again${retryAfterMs === undefined ? '' : ` in ${Math.ceil(retryAfterMs / 1000)} s`}.`,
    });
  }
  throw new TerminalError('ELT_HTTP_STATUS', message, {
    details: { status },
    next:
      status === 403 && sent !== undefined
        ? whatForbids(sent)
        : status === 401 || status === 403
          ? 'Check the credentials and what they may read.'
          : 'Correct the URL.',
  });
}

function whatForbids(sent: Readonly<Record<string, string>>): string {
  const isNamed = Object.keys(sent).some((name) => name.toLowerCase() === 'user-agent');
  return isNamed
    ? 'It may be asked too fast: lower `rate_limit`. Else check the credentials in `headers`.'
    : 'Say who asks, as many servers demand: `headers: { User-Agent: "Example Co data@example.org" }`.';
}

// A server that asks for more is asked again after an hour all the same.
const LONGEST_WAIT_MS = 3_600_000;

/** Milliseconds to wait: Retry-After is seconds or an HTTP date (RFC 9110, 10.2.3). Undefined when absent or neither. */
export function readRetryAfter(value: string | undefined, now: Date): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now.getTime();
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), LONGEST_WAIT_MS);
}

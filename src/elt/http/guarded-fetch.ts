import { lookup } from 'node:dns/promises';
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { TerminalError, TransientError } from '../../errors.js';
import { isMetadataAddress, isPublicAddress } from './public-address.js';

export interface GuardedRequest {
  /** http: or https:, without user name and password. */
  readonly url: string;
  /** @default GET */
  readonly method?: string;
  /** Goes along with redirects to the same origin only (307, 308); others are refused. */
  readonly body?: string | Uint8Array;
  /** `authorization`, `cookie` and names in `secretHeaders` are dropped when a redirect leads to another origin. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Lower-case names of other headers that only the first origin may see, such as an API key's. */
  readonly secretHeaders?: readonly string[];
  /** Lets the request go to loopback and private addresses; never to link-local ones and a cloud's metadata. @default false */
  readonly allowPrivate?: boolean;
  /** @default 5 */
  readonly maxRedirects?: number;
  /** Called before a redirect within the origin is followed: its server is asked once more. */
  readonly beforeRedirect?: () => Promise<void>;
  /** From the start of one hop to its status line and headers. @default 30000 */
  readonly headersTimeoutMs?: number;
  /** How long the body may stay silent; a body slower than 64 bytes/s over that time counts as silent. @default 30000 */
  readonly idleTimeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** All addresses of a host name. @default the system's resolver */
  readonly resolve?: (host: string) => Promise<readonly HostAddress[]>;
}

export interface HostAddress {
  readonly address: string;
  readonly family: number;
}

export interface GuardedResponse {
  /** Where the last redirect led. */
  readonly url: string;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /**
   * The bytes as they were sent; `accept-encoding: identity` is asked for unless the request says otherwise. Read it to its
   * end or leave the loop, else the connection stays open. Throws `ELT_HTTP_CUT` when the body ends before its content-length.
   */
  readonly body: AsyncIterable<Buffer>;
}

/**
 * One HTTP request that may only reach the public internet unless `allowPrivate` says otherwise. The host is resolved once, every address
 * of it is checked, and the connection goes to an address that was checked; so does each redirect. Any status is a
 * response; `assertStatus` makes errors of those that are none.
 *
 * Terminal: `ELT_HTTP_URL`, `ELT_HTTP_ADDRESS_REFUSED`, `ELT_HTTP_REDIRECT`, `ELT_HTTP_CERTIFICATE`. Transient:
 * `ELT_HTTP_UNREACHABLE` (name, connection, time-out), and from the body `ELT_HTTP_CUT`.
 */
export async function guardedFetch(request: GuardedRequest): Promise<GuardedResponse> {
  let hop = { url: parseUrl(request.url), method: request.method ?? 'GET', headers: lowerCase(request.headers), body: request.body }; // prettier-ignore
  for (let redirects = 0; ; redirects++) {
    const message = await send(hop, request);
    const status = message.statusCode!;
    const location = message.headers.location;
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined)
      return { url: hop.url.href, status, headers: message.headers, body: bodyOf(message, hop.url, request) };
    message.destroy();
    if (redirects === (request.maxRedirects ?? 5)) throw tooManyRedirects(request.url, redirects);
    const next = redirected(hop, status, location, request.secretHeaders ?? []);
    if (next.url.origin === hop.url.origin) await request.beforeRedirect?.();
    hop = next;
  }
}

/** A URL as it may be shown: signed URLs carry their secret in the query. */
export function shownUrl(url: string | URL): string {
  const { origin, pathname, search } = new URL(url);
  return `${origin}${pathname}${search === '' ? '' : '?…'}`;
}

interface Hop {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | undefined;
}

function parseUrl(text: string, base?: URL): URL {
  const url = URL.canParse(text, base?.href) ? new URL(text, base?.href) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') {
    if (url.username === '' && url.password === '') return url;
    throw new TerminalError(
      'ELT_HTTP_URL',
      `The URL of ${url.origin} holds a user name or a password; expected none.`,
      {
        next: 'Take them out of the URL, where logs would show them.',
      },
    );
  }
  throw new TerminalError('ELT_HTTP_URL', `${JSON.stringify(url?.protocol ?? text)} cannot be fetched; expected an http: or https: URL.`, {
    next: base === undefined ? 'Correct the URL.' : `Ask whoever runs ${base.host} why it redirects there.`,
  }); // prettier-ignore
}

function lowerCase(headers: GuardedRequest['headers'] = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function redirected(hop: Hop, status: number, location: string, secretHeaders: readonly string[]): Hop {
  const url = parseUrl(location, hop.url);
  if (hop.url.protocol === 'https:' && url.protocol === 'http:')
    throw new TerminalError('ELT_HTTP_REDIRECT', `${shownUrl(hop.url)} redirects to ${shownUrl(url)}, which is not encrypted.`, {
      next: 'Correct the URL, or ask whoever runs the server.',
    }); // prettier-ignore
  const isElsewhere = url.origin !== hop.url.origin;
  if (hop.body !== undefined && (status < 307 || isElsewhere)) throw bodyRedirected(hop, status, url);
  const dropped = new Set(isElsewhere ? ['authorization', 'cookie', ...secretHeaders] : []);
  const headers = Object.fromEntries(Object.entries(hop.headers).filter(([name]) => !dropped.has(name)));
  return { ...hop, url, headers };
}

/** 301, 302 and 303 make a GET of it, which asks for something else; another server is not meant to see what may be secrets. */
function bodyRedirected({ method, url: from }: Hop, status: number, to: URL): TerminalError {
  const loss = status < 307 ? 'where its body would be lost' : 'a server that its body is not meant for';
  return new TerminalError(
    'ELT_HTTP_REDIRECT',
    `${method} ${shownUrl(from)} is redirected (${status}) to ${shownUrl(to)}, ${loss}; expected an answer.`,
    { next: 'Set the URL to where the redirect leads, if that is the server you mean.' },
  );
}

async function send(hop: Hop, request: GuardedRequest): Promise<IncomingMessage> {
  const { url } = hop;
  const timeoutMs = request.headersTimeoutMs ?? 30_000;
  const signal = AbortSignal.any([...(request.signal ? [request.signal] : []), AbortSignal.timeout(timeoutMs)]);
  try {
    const addresses = await checkedAddresses(url, request, signal);
    return await connect(hop, addresses, signal);
  } catch (error) {
    request.signal?.throwIfAborted();
    throw error instanceof TerminalError
      ? error
      : unreachable(url, signal.aborted ? `no answer in ${timeoutMs} ms` : error);
  }
}

async function checkedAddresses(
  url: URL,
  request: GuardedRequest,
  signal: AbortSignal,
): Promise<readonly HostAddress[]> {
  // The URL parser has made 127.0.0.1 of 0x7f.1, 2130706433 and the like.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const resolve = request.resolve ?? ((name: string) => lookup(name, { all: true }));
  const addresses = isIP(host) === 0 ? await abortable(resolve(host), signal) : [{ address: host, family: isIP(host) }];
  if (addresses.length === 0) throw new Error(`${host} has no address`);
  const metadata = addresses.find(({ address }) => isMetadataAddress(address));
  if (metadata !== undefined && request.allowPrivate === true)
    throw new TerminalError(
      'ELT_HTTP_ADDRESS_REFUSED',
      `Fetching ${shownUrl(url)} was refused: ${host} is ${metadata.address}, which is link-local or serves a cloud's metadata; \`allow_private\` does not allow that.`,
      { details: { host, address: metadata.address }, next: 'Correct the URL, or ask whoever redirects there.' },
    );
  const refused = addresses.find(({ address }) => request.allowPrivate !== true && !isPublicAddress(address));
  if (refused === undefined) return addresses;
  throw new TerminalError(
    'ELT_HTTP_ADDRESS_REFUSED',
    `Fetching ${shownUrl(url)} was refused: ${host}${host === refused.address ? ' is' : ` is ${refused.address}, which is`} no address of the public internet.`,
    {
      details: { host, address: refused.address },
      next: 'If the server is your own, set `allow_private: true` at its source in plumbline.yaml.',
    },
  );
}

function connect(hop: Hop, addresses: readonly HostAddress[], signal: AbortSignal): Promise<IncomingMessage> {
  const { url, method, headers, body } = hop;
  const checked: LookupFunction = (_host, options, found) => {
    if (options.all === true) found(null, [...addresses]);
    else found(null, addresses[0]!.address, addresses[0]!.family);
  };
  return new Promise((resolve, reject) => {
    const client = url.protocol === 'https:' ? https : http;
    const outgoing = client.request(url, {
      method,
      headers: { 'accept-encoding': 'identity', 'user-agent': 'plumbline', ...headers },
      lookup: checked,
      // A pooled connection could lead to an address that this request did not check.
      agent: false,
    });
    const abort = (): void => void outgoing.destroy(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    outgoing.once('response', (message) => {
      signal.removeEventListener('abort', abort);
      resolve(message);
    });
    outgoing.on('error', reject);
    // Of an answer that is none, such as one that changes the protocol, nothing else is said.
    outgoing.once('close', () => reject(new Error('the connection ended without an answer')));
    outgoing.end(body);
  });
}

const SLOWEST_BYTES_PER_SECOND = 64;

async function* bodyOf(message: IncomingMessage, url: URL, request: GuardedRequest): AsyncGenerator<Buffer> {
  const idleTimeoutMs = request.idleTimeoutMs ?? 30_000;
  const chunks = (message as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  let bytes = 0;
  let waitedMs = 0;
  try {
    for (;;) {
      const asked = performance.now();
      const next = await abortable(
        chunks.next(),
        AbortSignal.any([...(request.signal ? [request.signal] : []), AbortSignal.timeout(idleTimeoutMs)]),
      );
      waitedMs += performance.now() - asked;
      if (next.done === true) return;
      bytes += next.value.length;
      if (waitedMs > idleTimeoutMs && bytes < (SLOWEST_BYTES_PER_SECOND * waitedMs) / 1000)
        throw new Error(`${bytes} bytes in ${Math.round(waitedMs / 1000)} s`);
      yield next.value;
    }
  } catch (error) {
    request.signal?.throwIfAborted();
    throw cut(url, bytes, message.headers['content-length'], error, idleTimeoutMs);
  } finally {
    message.destroy();
  }
}

function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function tooManyRedirects(url: string, redirects: number): TerminalError {
  return new TerminalError('ELT_HTTP_REDIRECT', `Fetching ${shownUrl(url)} ended after ${redirects} redirects.`, {
    next: 'Set the URL to where the redirects lead.',
  });
}

function unreachable(url: URL, why: unknown): Error {
  const code = (why as NodeJS.ErrnoException).code ?? '';
  const reason = why instanceof Error ? reasonOf(why) : String(why);
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code))
    return new TerminalError('ELT_HTTP_CERTIFICATE', `Fetching ${shownUrl(url)} failed: its certificate is not trusted (${reason}).`, {
      cause: why,
      next: 'Correct the URL, or name the authority that signed it in NODE_EXTRA_CA_CERTS of the worker.',
    }); // prettier-ignore
  return new TransientError('ELT_HTTP_UNREACHABLE', `Fetching ${shownUrl(url)} failed: ${reason}.`, {
    cause: why,
    next: 'The step is tried again. If it goes on, check the URL and whether the worker reaches the server.',
  });
}

/** Of several addresses tried, Node gives an AggregateError without a message. */
function reasonOf(error: Error): string {
  return error instanceof AggregateError && error.message === ''
    ? error.errors.map((one) => (one as Error).message).join('; ')
    : error.message;
}

function cut(
  url: URL,
  bytes: number,
  expected: string | undefined,
  error: unknown,
  idleTimeoutMs: number,
): TransientError {
  const reason =
    (error as Error).name === 'TimeoutError' ? `nothing came for ${idleTimeoutMs} ms` : (error as Error).message;
  return new TransientError(
    'ELT_HTTP_CUT',
    `Fetching ${shownUrl(url)} stopped after ${bytes}${expected === undefined ? '' : ` of ${expected}`} bytes: ${reason}.`,
    { cause: error, details: { bytes }, next: 'Nothing: the step is tried again.' },
  );
}

import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { TerminalError } from '../errors.js';
import { RequestError } from './request-error.js';

/** Whether only this machine can reach the address. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (bare === 'localhost' || bare === '::1') return true;
  return isIP(bare) === 4 && bare.startsWith('127.');
}

/**
 * Refuses to listen where others can call without a key.
 *
 * @throws TerminalError `SERVE_HOST_WITHOUT_KEYS`
 */
export function assertAccess(host: string, keys: readonly string[]): void {
  if (isLoopback(host) || keys.length > 0) return;
  throw new TerminalError(
    'SERVE_HOST_WITHOUT_KEYS',
    `Listening on ${host} was refused: it is reachable from other machines and no key is set, expected at least one.`,
    {
      details: { host },
      next: 'Set PLUMBLINE_SERVE_KEYS to one or more keys, comma-separated, or serve on 127.0.0.1.',
    },
  );
}

/** With keys, everything but the health addresses asks for one of them as a bearer token. */
export function requireKeys(app: FastifyInstance, keys: readonly string[]): void {
  if (keys.length === 0) return;
  const hashes = keys.map(hash);
  app.addHook('onRequest', async (request) => {
    if (request.url.startsWith('/v2/health')) return;
    const match = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '');
    const presented = hash(match?.[1] ?? '');
    // Every key is compared, and hashes of equal length: the time tells nothing.
    const known = hashes.reduce((found, key) => timingSafeEqual(key, presented) || found, false);
    if (known && match !== null) return;
    throw new RequestError(401, 'SERVE_KEY_REQUIRED', 'no valid key was sent, expected `Authorization: Bearer <key>`');
  });
}

const hash = (key: string): Buffer => createHash('sha256').update(key).digest();

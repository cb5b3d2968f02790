import { createServer, request as plainRequest, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { guardedFetch } from '../../../src/elt/http/guarded-fetch.js';
import type * as PublicAddress from '../../../src/elt/http/public-address.js';

/** Another address of this machine, which stands for one of the public internet. */
const PUBLIC = '127.0.0.9';

vi.mock('../../../src/elt/http/public-address.js', async (original) => {
  const real = await original<typeof PublicAddress>();
  return { ...real, isPublicAddress: (address: string) => address === PUBLIC || real.isPublicAddress(address) };
});

// Encrypted requests go to a server without encryption: what is tested is where a redirect may lead.
vi.mock('node:https', () => ({
  default: {
    request: (url: URL, options: object) => plainRequest(new URL(url.href.replace(/^https:/, 'http:')), options),
  },
}));

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
});

async function serve(host: string, listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((listening) => server.listen(0, host, listening));
  return (server.address() as AddressInfo).port;
}

/** Where names lead. */
const resolve = async (name: string) => [{ address: name === 'inside.example' ? '127.0.0.1' : PUBLIC, family: 4 }];
const CREDENTIALS = { headers: { authorization: 'Bearer s3cret' } };

test.each(['127.0.0.1', 'inside.example', '[::ffff:127.0.0.1]', '0x7f.1'])(
  'a redirect from a public address to %s is refused, and nothing is asked there',
  async (host) => {
    const asked: string[] = [];
    const inside = await serve('127.0.0.1', (request, response) => response.end(String(asked.push(request.url!))));
    const outside = await serve(PUBLIC, (request, response) => {
      asked.push(request.url!);
      response.writeHead(302, { location: `http://${host}:${inside}/secret` }).end();
    });
    await expect(
      guardedFetch({ url: `http://outside.example:${outside}/file.csv`, resolve, ...CREDENTIALS }),
    ).rejects.toMatchObject({
      code: 'ELT_HTTP_ADDRESS_REFUSED',
      terminal: true,
      message: expect.stringContaining('no address of the public internet') as string,
    });
    expect(asked).toEqual(['/file.csv']);
  },
);

test.each([
  ['with credentials', CREDENTIALS],
  ['without', {}],
])('a redirect from https to http is refused, %s, and nothing is sent there', async (_, request) => {
  const asked: string[] = [];
  const plain = await serve(PUBLIC, (received, response) => response.end(String(asked.push(received.url!))));
  const encrypted = await serve(PUBLIC, (_received, response) =>
    response.writeHead(301, { location: `http://shop.example:${plain}/file.csv?key=hidden` }).end(),
  );
  await expect(
    guardedFetch({ url: `https://shop.example:${encrypted}/file.csv`, resolve, ...request }),
  ).rejects.toMatchObject({
    code: 'ELT_HTTP_REDIRECT',
    terminal: true,
    message: `https://shop.example:${encrypted}/file.csv redirects to http://shop.example:${plain}/file.csv?…, which is not encrypted.`,
  });
  expect(asked).toEqual([]);
});

test('a redirect from https to https of another server is followed, without the credentials', async () => {
  const seen: (string | undefined)[] = [];
  const there = await serve(PUBLIC, (received, response) => {
    seen.push(received.headers.authorization);
    response.end('there');
  });
  const port = await serve(PUBLIC, (received, response) => {
    seen.push(received.headers.authorization);
    response.writeHead(302, { location: `https://cdn.example:${there}/file.csv` }).end();
  });
  await guardedFetch({ url: `https://shop.example:${port}/file.csv`, resolve, ...CREDENTIALS });
  expect(seen).toEqual(['Bearer s3cret', undefined]);
});

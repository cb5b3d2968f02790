import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createConnectionServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { assertStatus, readRetryAfter } from '../../../src/elt/http/assert-status.js';
import { authorize } from '../../../src/elt/http/authorize.js';
import { openSecrets } from '../../../src/elt/http/secrets.js';
import { guardedFetch, shownUrl } from '../../../src/elt/http/guarded-fetch.js';
import { isPublicAddress } from '../../../src/elt/http/public-address.js';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
});

/** A server on loopback; gives its port. */
async function serve(listener: RequestListener, host = '127.0.0.1'): Promise<number> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((listening) => server.listen(0, host, listening));
  return (server.address() as AddressInfo).port;
}

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe('addresses', () => {
  test.each([
    '127.0.0.1', '127.255.0.9', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.0.1', '169.254.169.254',
    '100.100.100.200', '168.63.129.16', '224.0.0.1', '255.255.255.255', '::', '::1', '::ffff:127.0.0.1', '::ffff:a9fe:a9fe',
    'fe80::1', 'fe80::1%eth0', 'fc00::1', 'fd00:ec2::254', 'ff02::1', '64:ff9b::7f00:1', '2002:7f00:1::', '2001::1', '::127.0.0.1',
    'localhost', '',
  ])('%s is not public', (address) => expect(isPublicAddress(address)).toBe(false)); // prettier-ignore

  test.each(['1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700:4700::1111', '::ffff:1.1.1.1'])(
    '%s is public',
    (address) => expect(isPublicAddress(address)).toBe(true),
  );
});

describe('refuses', () => {
  test.each([
    'http://127.0.0.1', 'http://localhost', 'http://127.1', 'http://0x7f.0.0.1', 'http://0177.0.0.1',
    'http://2130706433', 'http://0', 'http://[::1]', 'http://[::ffff:127.0.0.1]', 'http://[0:0:0:0:0:ffff:7f00:1]',
    'http://①②⑦.⓪.⓪.①',
  ])('%s before a connection is made', async (origin) => {
    let requests = 0;
    const port = await serve((_request, response) => response.end(String(requests++)));
    const refusal = guardedFetch({ url: `${origin}:${port}/` });
    await expect(refusal).rejects.toMatchObject({ code: 'ELT_HTTP_ADDRESS_REFUSED', terminal: true });
    expect(requests).toBe(0);
  }); // prettier-ignore

  test('a name when one of its addresses is private', async () => {
    const resolve = async () => [{ address: '1.1.1.1', family: 4 }, { address: '10.0.0.1', family: 4 }]; // prettier-ignore
    await expect(guardedFetch({ url: 'http://data.example/', resolve })).rejects.toMatchObject({
      code: 'ELT_HTTP_ADDRESS_REFUSED',
      message: expect.stringContaining('10.0.0.1') as unknown,
    });
  });

  test.each(['file:///etc/passwd', 'ftp://example.com/x', 'nonsense', 'http://user:secret@example.com/'])(
    '%s',
    async (url) => {
      const error: unknown = await guardedFetch({ url }).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: 'ELT_HTTP_URL', terminal: true });
      expect((error as Error).message).not.toContain('secret');
    },
  );

  test('a redirect to a file', async () => {
    const port = await serve((_request, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end());
    await expect(guardedFetch({ url: `http://127.0.0.1:${port}/`, allowPrivate: true })).rejects.toMatchObject({
      code: 'ELT_HTTP_URL',
    });
  });

  test.each([
    '169.254.169.254',
    '[::ffff:169.254.169.254]',
    '[fe80::1]',
    '[fd00:ec2::254]',
    '[fd20:ce::254]',
    '[64:ff9b::169.254.169.254]',
    '100.100.100.200',
  ])('a redirect to %s, where a cloud keeps credentials, although private addresses are allowed', async (host) => {
    const port = await serve((_request, response) => response.writeHead(302, { location: `http://${host}/x` }).end());
    await expect(guardedFetch({ url: `http://127.0.0.1:${port}/`, allowPrivate: true })).rejects.toMatchObject({
      code: 'ELT_HTTP_ADDRESS_REFUSED',
      message: expect.stringContaining('metadata') as string,
    });
  });

  test('a redirect loop', async () => {
    let requests = 0;
    const port = await serve((_request, response) => {
      requests++;
      response.writeHead(302, { location: '/' }).end();
    });
    await expect(
      guardedFetch({ url: `http://127.0.0.1:${port}/`, allowPrivate: true, maxRedirects: 3 }),
    ).rejects.toMatchObject({ code: 'ELT_HTTP_REDIRECT', terminal: true });
    expect(requests).toBe(4);
  });
});

test('connects to the address that was checked: a name is resolved once', async () => {
  const answers = ['127.0.0.1', '127.0.0.2'];
  const port = await serve((request, response) => response.end(request.socket.localAddress), '0.0.0.0');
  const response = await guardedFetch({
    url: `http://rebinding.example:${port}/`,
    allowPrivate: true,
    resolve: async () => [{ address: answers.shift()!, family: 4 }],
  });
  expect(await textOf(response.body)).toBe('127.0.0.1');
  expect(answers).toEqual(['127.0.0.2']);
});

test('checks the address of each redirect', async () => {
  const port = await serve((request, response) => {
    if (request.url === '/') response.writeHead(302, { location: `http://inside.example:${port}/secret` }).end();
    else response.end('secret');
  });
  const names: string[] = [];
  const refusal = guardedFetch({
    url: `http://outside.example:${port}/`,
    allowPrivate: true,
    resolve: async (name) => {
      names.push(name);
      return name === 'outside.example' ? [{ address: '127.0.0.1', family: 4 }] : [];
    },
  });
  await expect(refusal).rejects.toMatchObject({ code: 'ELT_HTTP_UNREACHABLE' });
  expect(names).toEqual(['outside.example', 'inside.example']);
});

test('a token is not asked for at a private address', async () => {
  let requests = 0;
  const port = await serve((_request, response) => response.end(String(requests++)));
  const auth = {
    type: 'oauth2',
    tokenUrl: `http://127.0.0.1:${port}/`,
    clientId: 'id',
    clientSecret: 'env:S',
  } as const;
  const secrets = openSecrets({ PLUMBLINE_PROJECT_ENV: 'S', S: 's3cr3t' }, '.');
  await expect(authorize(auth, { secrets, allowPrivate: false })).rejects.toMatchObject({
    code: 'ELT_HTTP_ADDRESS_REFUSED',
  });
  expect(requests).toBe(0);
});

test('follows redirects, and keeps credentials from another origin', async () => {
  const seen: Record<string, unknown>[] = [];
  const other = await serve((request, response) => {
    seen.push(request.headers);
    response.end('there');
  });
  const port = await serve((request, response) => {
    seen.push(request.headers);
    if (request.url === '/a') response.writeHead(301, { location: '/b' }).end();
    else response.writeHead(307, { location: `http://127.0.0.1:${other}/c` }).end();
  });
  const response = await guardedFetch({
    url: `http://127.0.0.1:${port}/a`,
    allowPrivate: true,
    headers: { Authorization: 'Bearer x', 'X-Api-Key': 'k', accept: 'text/csv' },
    secretHeaders: ['x-api-key'],
  });
  expect([response.url, await textOf(response.body)]).toEqual([`http://127.0.0.1:${other}/c`, 'there']);
  expect(seen.map((headers) => [headers['authorization'], headers['x-api-key'], headers['accept']])).toEqual([
    ['Bearer x', 'k', 'text/csv'],
    ['Bearer x', 'k', 'text/csv'],
    [undefined, undefined, 'text/csv'],
  ]);
});

describe('a server that misbehaves', () => {
  const get = (port: number, options: object = {}) =>
    guardedFetch({ url: `http://127.0.0.1:${port}/file.csv?signature=hidden`, allowPrivate: true, ...options });

  test('cuts the body: transient, with how far it came', async () => {
    const port = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('0123456789', () => (response.socket as Socket).destroy());
    });
    const { body } = await get(port);
    const error = await textOf(body).catch((caught: Error) => caught);
    expect(error).toMatchObject({ code: 'ELT_HTTP_CUT', terminal: false, details: { bytes: 10 } });
    expect(String(error)).toContain('10 of 100 bytes');
    expect(String(error)).not.toContain('hidden');
  });

  test('never answers', async () => {
    const port = await serve(() => {});
    await expect(get(port, { headersTimeoutMs: 100 })).rejects.toMatchObject({
      code: 'ELT_HTTP_UNREACHABLE',
      message: expect.stringContaining('no answer in 100 ms') as unknown,
    });
  });

  test('changes the protocol instead of answering', async () => {
    const server = createConnectionServer((socket) => {
      const answer = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
      socket.on('error', () => {}).once('data', () => socket.write(answer));
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    await expect(get((server.address() as AddressInfo).port)).rejects.toMatchObject({
      code: 'ELT_HTTP_UNREACHABLE',
      message: expect.stringContaining('without an answer') as unknown,
    });
    await new Promise((closed) => server.close(closed));
  }, 5_000);

  test('falls silent in the body', async () => {
    const port = await serve((_request, response) => void response.writeHead(200).write('x'));
    const { body } = await get(port, { idleTimeoutMs: 100 });
    await expect(textOf(body)).rejects.toMatchObject({ code: 'ELT_HTTP_CUT' });
  });

  test('sends a byte at a time', async () => {
    const port = await serve((_request, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write('x'), 50);
      response.on('close', () => clearInterval(drip));
    });
    const { body } = await get(port, { idleTimeoutMs: 300 });
    await expect(textOf(body)).rejects.toMatchObject({
      code: 'ELT_HTTP_CUT',
      message: expect.stringMatching(/bytes in/) as unknown,
    });
  });

  test('is not there', async () => {
    const port = await serve(() => {});
    await new Promise((closed) => servers.pop()!.close(closed));
    await expect(get(port)).rejects.toMatchObject({ code: 'ELT_HTTP_UNREACHABLE', terminal: false });
  });

  test('is left when the caller aborts', async () => {
    const port = await serve((_request, response) => void response.writeHead(200).write('x'));
    const abort = new AbortController();
    const { body } = await get(port, { signal: abort.signal });
    setTimeout(() => abort.abort(new Error('stopped')), 50);
    await expect(textOf(body)).rejects.toThrow('stopped');
  });
});

describe('statuses', () => {
  const now = new Date('2024-03-01T00:00:00Z');
  const check = (status: number, retryAfter?: string) => () =>
    assertStatus({ url: 'https://a.example/b?key=hidden', status, headers: { 'retry-after': retryAfter } }, now, {
      accepted: [304],
    });

  test('2xx and those that are accepted pass', () => {
    for (const status of [200, 204, 206, 304]) expect(check(status)).not.toThrow();
  });

  test('429 and 5xx are transient and carry Retry-After', () => {
    expect(check(429, '7')).toThrow(expect.objectContaining({ terminal: false, details: { status: 429, retryAfterMs: 7_000 } }));
    expect(check(503)).toThrow(expect.objectContaining({ terminal: false, details: { status: 503 } }));
  }); // prettier-ignore

  test('404 is terminal', () => {
    expect(check(404)).toThrow(expect.objectContaining({ code: 'ELT_HTTP_STATUS', terminal: true }));
  });

  test('Retry-After is seconds or a date, an hour at most', () => {
    expect(readRetryAfter('Fri, 01 Mar 2024 00:00:30 GMT', now)).toBe(30_000);
    expect(readRetryAfter('Fri, 01 Mar 2020 00:00:30 GMT', now)).toBe(0);
    expect(readRetryAfter('999999', now)).toBe(3_600_000);
    expect(readRetryAfter('soon', now)).toBeUndefined();
  });

  test('messages hide the query', () =>
    expect(shownUrl('https://a.example/b?key=hidden')).toBe('https://a.example/b?…'));
});

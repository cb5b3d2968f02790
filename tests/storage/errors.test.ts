import { createServer, type AddressInfo } from 'node:net';
import { expect, inject, it } from 'vitest';
import { openDatabase } from '../../src/storage/database.js';
import { translatePostgresError } from '../../src/storage/errors.js';

async function connectTo(url: string): Promise<unknown> {
  const database = openDatabase({ url, max: 1, connectTimeoutMs: 3_000 });
  try {
    return await database.query('SELECT 1').catch((error: unknown) => error);
  } finally {
    await database.close();
  }
}

it('a server without TLS is named as such where the URL asks for TLS', async () => {
  expect(await connectTo(`${inject('postgresUrl')}?sslmode=require`)).toMatchObject({
    code: 'PG_TLS_FAILED',
    message: 'Encrypting the connection to PostgreSQL failed: The server does not support SSL connections.',
    next: expect.stringContaining('sslmode') as string,
  });
});

it('a server that promises TLS and speaks something else is named too', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write('S');
      socket.once('data', () => socket.write('this is no TLS record'));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    expect(await connectTo(`postgres://me@127.0.0.1:${port}/x?sslmode=require`)).toMatchObject({
      code: 'PG_TLS_FAILED',
    });
  } finally {
    server.close();
  }
});

it.each([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate', 'PG_TLS_FAILED'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'self-signed certificate in certificate chain', 'PG_TLS_FAILED'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'unable to verify the first certificate', 'PG_TLS_FAILED'],
  ['CERT_HAS_EXPIRED', 'certificate has expired', 'PG_TLS_FAILED'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', "Hostname/IP does not match certificate's altnames", 'PG_TLS_FAILED'],
  ['EAI_AGAIN', 'getaddrinfo EAI_AGAIN db', 'PG_UNREACHABLE'],
  ['ENETUNREACH', 'connect ENETUNREACH 2001:db8::1:5432', 'PG_UNREACHABLE'],
])('%s (%s) becomes %s', (code, message, expected) => {
  expect(translatePostgresError(Object.assign(new Error(message), { code }))).toMatchObject({
    code: expected,
    terminal: false,
    message: expect.stringContaining(message) as string,
  });
});

it.each([
  [
    'a key',
    `CREATE TEMP TABLE t (k text PRIMARY KEY); INSERT INTO t SELECT string_agg(md5(i::text), '') FROM generate_series(1, 400) AS i`,
    'primary_key',
  ],
  [
    'a row',
    `DO $$ BEGIN EXECUTE (SELECT 'CREATE TEMP TABLE t AS SELECT ' || string_agg('1::bigint AS c' || i, ',') FROM generate_series(1, 1500) AS i); END $$`,
    'fewer columns',
  ],
  [
    'columns',
    `DO $$ BEGIN EXECUTE (SELECT 'CREATE TEMP TABLE t (' || string_agg('c' || i || ' text', ',') || ')' FROM generate_series(1, 1601) AS i); END $$`,
    'table of their own',
  ],
])('%s beyond a limit of PostgreSQL says what to do; a retry would not help', async (_, statement, next) => {
  const database = openDatabase({ url: inject('postgresUrl'), max: 1 });
  try {
    await expect(database.execute(statement)).rejects.toMatchObject({
      code: 'PG_LIMIT',
      terminal: true,
      next: expect.stringContaining(next) as string,
    });
  } finally {
    await database.close();
  }
});

import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { lastSeen } from '../../../src/elt/extract/last-seen.js';
import { findLoad, listLoads, readRejects } from '../../../src/storage/loads.js';
import { hideParameters } from '../../../src/hide-parameters.js';
import { zip } from '../../support/zip.js';
import { openWorkbench, resourceOf, type Workbench } from '../load/workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener);
  await new Promise<void>((listening) => server!.listen(0, '127.0.0.1', listening));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const urlOf = (id: string, path: string) => resourceOf({ id, source: id, table: id, path, allowPrivate: true });

test('what the server packed unasked is unpacked, whatever the format; cut, it is fetched again', async () => {
  const workbook = gzipSync(await readFile('tests/fixtures/elt/xlsx/orders.xlsx'));
  let sent = workbook.subarray(0, workbook.length / 2);
  const origin = await serve((_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(sent));
  const resource = { ...urlOf('workbook', `${origin}/orders.xlsx`), xlsx: { headerRow: 3 }, maxRejectedShare: 0.5 };
  await expect(bench.run(resource)).rejects.toMatchObject({ code: 'ELT_HTTP_CUT', terminal: false });
  sent = workbook;
  const { loads } = await bench.run(resource);
  expect(loads[0]!.rowsLoaded).toBeGreaterThan(0);
});

test('a file is fetched, and fetched again only when the server says that it changed', async () => {
  const requests: IncomingMessage[] = [];
  let version = 1;
  const origin = await serve((request, response) => {
    requests.push(request);
    const etag = `"v${version}"`;
    if (request.headers['if-none-match'] === etag) response.writeHead(304).end();
    else response.writeHead(200, { etag }).end(gzipSync(`id\tv\n${version}\ta, b\n`));
  });
  const resource = urlOf('rates', `${origin}/rates.tsv.gz?year=2024`);
  const first = await bench.run(resource);
  const second = await bench.run(resource);
  version = 2;
  const third = await bench.run(resource);
  expect([first, second, third].map(({ loads }) => loads.map(({ status }) => status))).toEqual([
    ['staged'],
    ['already_loaded'],
    ['staged'],
  ]);
  expect(requests.map(({ headers }) => headers['if-none-match'])).toEqual([undefined, '"v1"', '"v1"']);
  expect(await bench.rows('rates', 'id, v')).toEqual([{ id: '2', v: 'a, b' }]);
  const lines = await bench.database.query(
    'SELECT path, etag FROM plumbline.raw_objects WHERE resource = $1 ORDER BY seen_at',
    ['rates'],
  );
  expect(lines).toEqual([{ path: resource.path, etag: '"v1"' }, { path: resource.path, etag: '"v2"' }]); // prettier-ignore
});

test('declared headers go with each request, a secret one to its own origin only, and a busy server is asked again in turn', async () => {
  vi.stubEnv('PLUMBLINE_PROJECT_ENV', 'RATES_KEY');
  vi.stubEnv('RATES_KEY', 's3cret');
  const asked: (readonly unknown[])[] = [];
  const other = createServer(({ headers }, response) => {
    asked.push([headers['user-agent'], headers['x-key']]);
    response.end('id\n1\n');
  });
  await new Promise<void>((listening) => other.listen(0, '127.0.0.1', listening));
  const origin = await serve(({ headers }, response) => {
    asked.push([headers['user-agent'], headers['x-key']]);
    if (headers['user-agent'] !== 'me') response.writeHead(403).end();
    else if (asked.length === 2) response.writeHead(429, { 'retry-after': '0' }).end();
    else response.writeHead(302, { location: `http://127.0.0.1:${(other.address() as AddressInfo).port}/` }).end();
  });
  const plain = urlOf('asked', `${origin}/asked.csv`);
  try {
    await expect(bench.run(plain)).rejects.toMatchObject({ next: expect.stringContaining('User-Agent') as string });
    const headers = { 'User-Agent': 'me', 'X-Key': 'env:RATES_KEY' };
    expect((await bench.run({ ...plain, requests: { headers, intervalMs: 1 } })).published.rows).toBe(1);
  } finally {
    other.close();
    vi.unstubAllEnvs();
  }
  expect(asked).toEqual([['plumbline', undefined], ['me', 's3cret'], ['me', 's3cret'], ['me', undefined]]); // prettier-ignore
});

test('content that came back to what it was has one line, and the newest etag', async () => {
  let etag = '"a"';
  const origin = await serve((_request, response) => response.writeHead(200, { etag }).end('id\n1\n'));
  const resource = urlOf('back', `${origin}/back.csv`);
  await bench.run(resource);
  etag = '"b"';
  expect((await bench.run(resource)).loads).toMatchObject([{ status: 'already_loaded' }]);
  const lines = await bench.database.query('SELECT etag FROM plumbline.raw_objects WHERE resource = $1', ['back']);
  expect(lines).toEqual([{ etag: '"b"' }]);
});

test('a transfer that is cut leaves nothing, and the next attempt starts anew', async () => {
  let requests = 0;
  const content = `id\n${'1\n'.repeat(100_000)}`;
  const origin = await serve((_request, response) => {
    response.writeHead(200, { 'content-length': content.length });
    if (++requests > 1) response.end(content);
    else response.write(content.slice(0, 150_000), () => response.destroy());
  });
  const resource = urlOf('cut', `${origin}/cut.csv`);
  await expect(bench.run(resource)).rejects.toMatchObject({ code: 'ELT_HTTP_CUT', terminal: false });
  expect(await readdir(join(bench.storeFolder, 'incoming'))).toEqual([]);
  expect(await bench.database.query('SELECT 1 FROM plumbline.raw_objects WHERE resource = $1', ['cut'])).toEqual([]);
  expect((await bench.run(resource)).published.rows).toBe(100_000);
});

test.each([
  [429, 'ELT_HTTP_STATUS_TRANSIENT', false],
  [503, 'ELT_HTTP_STATUS_TRANSIENT', false],
  [404, 'ELT_HTTP_STATUS', true],
  [304, 'ELT_HTTP_STATUS', true],
])('status %i is %s', async (status, code, terminal) => {
  const origin = await serve((_request, response) => response.writeHead(status, { 'retry-after': '1' }).end());
  await expect(bench.run(urlOf('status', `${origin}/a.csv`))).rejects.toMatchObject({ code, terminal });
});

test.each([
  ['text/csv', '\n<!DOCTYPE html>\n<html>log in, please</html>'],
  ['text/csv', '<?xml version="1.0"?>\n<!-- gate -->\n<!DOCTYPE html><p>no</p>'],
  ['text/csv', '<script>location = "/login"</script>'],
  ['text/html; charset=utf-8', '<p>busy</p>'],
])('a web page with status 200 is refused: %s %j', async (type, page) => {
  const origin = await serve((_request, response) => response.writeHead(200, { 'content-type': type }).end(page));
  const failure = await bench.run(urlOf('page', `${origin}/a.csv?token=s3cr3t`)).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'ELT_HTTP_PAGE', terminal: true, at: { file: 'plumbline.yaml', line: 3 } });
  expect((failure as Error).message).not.toContain('s3cr3t');
});

test('what begins like an element is data where no page is declared', async () => {
  const origin = await serve((_request, response) => response.writeHead(200, { 'content-type': 'text/csv' }).end('<id>,n\n<a>,1\n')); // prettier-ignore
  expect((await bench.run(urlOf('angles', `${origin}/a.csv`))).published.rows).toBe(1);
});

test('a private address is refused unless the source allows it', async () => {
  let requests = 0;
  const origin = await serve((_request, response) => {
    requests++;
    response.end('id\n1\n');
  });
  const resource = resourceOf({ id: 'inside', table: 'inside', path: `${origin}/a.csv` });
  await expect(bench.run(resource)).rejects.toMatchObject({ code: 'ELT_HTTP_ADDRESS_REFUSED' });
  expect(requests).toBe(0);
});

test('the members of a zip archive are objects of their own, and an archive that is the same is not unpacked again', async () => {
  const first = { name: 'in/1.csv', content: 'id\n1\n' };
  let archive = zip([first, { name: 'notes.txt', content: 'no' }]);
  const origin = await serve((request, response) => {
    const etag = `"${archive.length}"`;
    if (request.headers['if-none-match'] === etag) response.writeHead(304).end();
    else response.writeHead(200, { etag }).end(archive);
  });
  const resource = { ...urlOf('packed', `${origin}/all.zip?key=1`), member: 'in/*.csv', write: 'append' as const };
  expect((await bench.run(resource)).loads).toMatchObject([{ path: `${origin}/all.zip!in/1.csv`, status: 'staged' }]);
  expect((await bench.run(resource)).loads).toMatchObject([{ status: 'already_loaded' }]);
  archive = zip([first, { name: 'in/2.csv', content: 'id\n2\n' }]);
  const { loads, published } = await bench.run(resource);
  expect(loads.map(({ status }) => status)).toEqual(['already_loaded', 'staged']);
  expect(published.rows).toBe(2);
  const at = { env: 'dev', project: 'demo', resource };
  expect(await lastSeen(bench.database, at)).toEqual(loads.map(({ path, sha256 }) => ({ path, sha256 })));

  archive = zip([{ ...first, checksum: 1 }]);
  const error = {
    code: 'ELT_ZIP_BROKEN',
    message: `Unpacking ${origin}/all.zip!in/1.csv failed: its checksum is wrong.`,
  };
  await expect(bench.run(resource)).rejects.toMatchObject(error);
});

test('the parameters of an address, which may be a key, are in no error of its load and in nothing that is shown of it', async () => {
  let body = 'id,n\n1,1\n2,x\n';
  const origin = await serve((_request, response) => response.end(body));
  const path = `${origin}/rates.csv?token=s3cr3t&day=1`;
  const resource = { ...urlOf('keyed', path), columns: { n: 'bigint' as const }, maxRejectedShare: 0.5 };
  await bench.run(resource);
  body = 'id,n\n1,x\n2,x\n';
  const error = (await bench.run(resource).catch((caught: unknown) => caught)) as Error & { at: { file: string } };
  expect(error.message).toContain(`${origin}/rates.csv?… into`);
  expect(error.at.file).toBe(`${origin}/rates.csv?…`);
  body = 'id,m\n1,1\n';
  const other = await bench.run({ ...resource, primaryKey: ['no'] }).catch((caught: unknown) => caught);
  const scope = { env: 'dev', project: 'demo' };
  const { database } = bench;
  const loads = await listLoads(database, scope, { resource: 'keyed', limit: 9 });
  const shown: unknown[] = [error.message, error.stack, error, other, String(other), loads];
  for (const { load_id } of loads) shown.push(await findLoad(database, scope, load_id));
  for await (const row of readRejects(database, scope, { resource: 'keyed' })) shown.push(row);
  expect(JSON.stringify(shown)).not.toContain('s3cr3t');
  expect(JSON.stringify(shown).split('rates.csv?…').length).toBeGreaterThan(8);
});

test.each([
  ['Loading https://a.example/b?key=1&c=2 failed: x', 'Loading https://a.example/b?… failed: x'],
  ['First ones: http://a/b?x=1, http://a/c?y=2.', 'First ones: http://a/b?…, http://a/c?….'],
  ['load:rates#https://a/b?t=(1)', 'load:rates#https://a/b?…'],
  ['{"path":"https://a/b?k=1#2"}', '{"path":"https://a/b?…#2"}'],
  ['see https://a/b. Why? So', 'see https://a/b. Why? So'],
  ['postgres://db/x?sslmode=require', 'postgres://db/x?sslmode=require'],
  ['at postgres://me:p@ss:w@db:5432/x, a@b', 'at postgres://me:…@db:5432/x, a@b'],
  ['https://t0ken@a/b?k=1 https://a/b@c', 'https://…@a/b?… https://a/b@c'],
  ['a,https://a/b,http://c?d=1,https://e ', 'a,https://a/b,http://c?… '],
])('%s is shown as %s', (text, shown) => expect(hideParameters(text)).toBe(shown));

import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { lastSeen } from '../../../src/elt/extract/last-seen.js';
import type { ResourceConfig } from '../../../src/model/project.js';
import { openBucket } from '../../../src/s3/open-bucket.js';
import { zip } from '../../support/zip.js';
import { BUCKET, startProxy, startS3, type Proxy, type S3Server } from '../../support/s3-server.js';
import { openWorkbench, resourceOf, type Workbench } from '../load/workbench.js';

let bench: Workbench;
let server: S3Server;
let proxy: Proxy;
beforeAll(async () => {
  [bench, server] = await Promise.all([openWorkbench(), startS3()]);
  proxy = await startProxy(server.endpoint);
  process.env['TEST_S3_KEY'] = server.credentials.accessKeyId;
  process.env['TEST_S3_SECRET'] = server.credentials.secretAccessKey;
});
afterAll(async () => {
  await proxy?.close();
  await Promise.all([bench?.close(), server?.close()]);
});
beforeEach(() => {
  proxy.faults.length = 0;
  proxy.requests.length = 0;
});

const credentials = { accessKeyId: 'env:TEST_S3_KEY', secretAccessKey: 'env:TEST_S3_SECRET' };
const s3Of = (table: string, key: string, more: Partial<ResourceConfig> = {}): ResourceConfig =>
  resourceOf({
    id: table,
    source: table,
    table,
    path: `s3://${BUCKET}/${key}`,
    allowPrivate: true,
    s3: { endpoint: proxy.endpoint, credentials },
    ...more,
  });
const reads = (): string[] => proxy.requests.filter((one) => /^GET \/lake\/[^?]/.test(one)).map((one) => one.replace(/\?\S*/, '')); // prettier-ignore

test('takes the objects of a glob, and afterwards only what is new or changed', async () => {
  await server.put('rides/2024/a b+ü.csv.gz', gzipSync('id,v\n1,x\n'));
  await server.put('rides/2024/c.csv', 'id,v\n2,y\n');
  await server.put('rides/2024/deeper/d.csv', 'id,v\n9,z\n');
  await server.put('rides/readme.txt', 'none of it');
  const resource = s3Of('rides', 'rides/2024/*.{csv,csv.gz}', { write: 'append' });
  const first = await bench.run(resource);
  expect(first.loads.map(({ path, status }) => [path, status])).toEqual([
    ['s3://lake/rides/2024/a b+ü.csv.gz', 'staged'],
    ['s3://lake/rides/2024/c.csv', 'staged'],
  ]);
  expect(await bench.rows('rides', 'id, v')).toEqual([{ id: '1', v: 'x' }, { id: '2', v: 'y' }]); // prettier-ignore

  await server.put('rides/2024/c.csv', 'id,v\n2,changed\n');
  await server.put('rides/2024/e.csv', 'id,v\n3,new\n');
  proxy.requests.length = 0;
  const second = await bench.run(resource);
  expect(second.loads.map(({ status }) => status)).toEqual(['already_loaded', 'staged', 'staged']);
  expect(reads().sort()).toEqual(['GET /lake/rides/2024/c.csv', 'GET /lake/rides/2024/e.csv']);
  expect((await bench.rows('rides', 'v')).map(({ v }) => v).sort()).toEqual(['changed', 'new', 'x']);
});

test('the members of zip archives are objects of their own, and an archive that is there is not fetched again', async () => {
  await server.put('zips/a.zip', zip([{ name: 'x.csv', content: 'id\n1\n' }, { name: 'y.csv', content: 'id\n2\n' }])); // prettier-ignore
  await server.put('zips/b.zip', zip([{ name: 'x.csv', content: 'id\n3\n' }]));
  const resource = s3Of('zips', 'zips/*.zip', { write: 'append', member: '*.csv' });
  const paths = ['s3://lake/zips/a.zip!x.csv', 's3://lake/zips/a.zip!y.csv', 's3://lake/zips/b.zip!x.csv'];
  expect((await bench.run(resource)).loads.map(({ path }) => path)).toEqual(paths);
  proxy.requests.length = 0;
  const { loads, published } = await bench.run(resource);
  expect([reads(), published.rows]).toEqual([[], 3]);
  const seen = await lastSeen(bench.database, { env: 'dev', project: 'demo', resource });
  expect(seen).toEqual(loads.map(({ path, sha256 }) => ({ path, sha256 })));
});

test('lists more keys than one page holds', async () => {
  const keys = Array.from({ length: 31 }, (_, index) => `many/${index}.csv`);
  await Promise.all(keys.map((key) => server.put(key, 'id\n1\n')));
  const bucket = await openBucket({ ...server, bucket: BUCKET, doing: 'Listing' });
  const listed: string[] = [];
  for await (const { key } of bucket.list('many/')) listed.push(key);
  bucket.close();
  expect(listed.sort()).toEqual(keys.sort());
});

test('a download that is cut goes on where it stopped, whatever the server answers in between', async () => {
  const content = `id,v\n${Array.from({ length: 40_000 }, (_, id) => `${id},${randomBytes(8).toString('hex')}\n`).join('')}`;
  await server.put('big/cut.csv', content);
  proxy.faults.push(
    { status: 503, code: 'SlowDown' },
    { cutAfter: 1e9 },
    { cutAfter: 200_000 },
    { status: 500, code: 'InternalError' },
    { cutAfter: 200_001 },
  );
  const { published } = await bench.run(s3Of('cut', 'big/*.csv'));
  expect(published.rows).toBe(40_000);
  // The first two answers were the listing's.
  const starts = reads().map((one) => Number(/bytes=(\d+)-$/.exec(one)?.[1] ?? 0));
  expect(starts).toEqual([0, starts[1], starts[1], starts[3]]);
  expect(starts[1]).toBeGreaterThan(0);
  expect(starts[3]).toBeGreaterThan(starts[1]!);
});

test('a download that does not get on is given up and leaves nothing', async () => {
  await server.put('stuck.csv', 'id\n1\n');
  proxy.faults.push({ cutAfter: 1e9 }, ...Array.from({ length: 6 }, () => ({ cutAfter: 0 })));
  const nothing: Promise<unknown> = bench.run(s3Of('stuck', 'stuck.csv'));
  await expect(nothing).rejects.toMatchObject({ code: 'S3_CUT', terminal: false });
  expect(await readdir(join(bench.storeFolder, 'incoming'))).toEqual([]);
});

test('an object that is replaced while it is read is read anew by the next attempt', async () => {
  await server.put('swap.csv', `id\n${'1\n'.repeat(100_000)}`);
  const bucket = await openBucket({ ...server, endpoint: proxy.endpoint, bucket: BUCKET, doing: 'Reading swap' });
  const object = (await bucket.find('swap.csv'))!;
  proxy.faults.push({ cutAfter: 100 });
  const chunks = bucket.read(object);
  await chunks.next();
  await server.put('swap.csv', `id\n${'2\n'.repeat(100_000)}`);
  const rest = async (): Promise<void> => { for await (const _ of chunks); }; // prettier-ignore
  await expect(rest()).rejects.toMatchObject({ code: 'S3_OBJECT_CHANGED', terminal: false });
  bucket.close();
});

test.each([
  ['AccessDenied', 403, 'S3_ACCESS_DENIED', true],
  ['SignatureDoesNotMatch', 403, 'S3_CREDENTIALS_INVALID', true],
  ['ExpiredToken', 400, 'S3_TOKEN_EXPIRED', true],
  ['PermanentRedirect', 301, 'S3_REGION_WRONG', true],
  ['InvalidObjectState', 403, 'S3_OBJECT_ARCHIVED', true],
  ['MalformedXML', 400, 'S3_REFUSED', true],
])('the answer %s (%i) is %s', async (code, status, ours, terminal) => {
  proxy.faults.push({ status, code }, { status, code }, { status, code });
  const error: unknown = await bench.run(s3Of('told', 'told/*.csv')).catch((one: unknown) => one);
  expect(error).toMatchObject({ code: ours, terminal, next: expect.stringMatching(/\w{3}/) as string });
  expect((error as Error).message).toContain('Reading told failed at listing s3://lake/told/');
});

test('says which of bucket, key and credentials is wrong, and never shows a secret', async () => {
  const code = (resource: ResourceConfig): Promise<unknown> =>
    bench.run(resource).then(
      () => 'none',
      (error: Error & { code?: string }) => {
        expect(JSON.stringify([error, error.message, error.stack])).not.toContain('tell-no-one');
        return error.code;
      },
    );
  const s3 = { endpoint: server.endpoint, credentials };
  expect(await code(s3Of('none', 'no/such.csv', { s3 }))).toBe('ELT_FILE_MISSING');
  expect(await code(s3Of('none', 'no/such/*.csv', { s3 }))).toBe('ELT_FILE_MISSING');
  expect(await code(s3Of('none', '', { s3, path: 's3://no-such-bucket/a.csv' }))).toBe('S3_BUCKET_MISSING');
  process.env['TEST_S3_WRONG'] = 'tell-no-one';
  const stranger = { ...credentials, accessKeyId: 'env:TEST_S3_WRONG' };
  expect(await code(s3Of('none', 'a/*', { s3: { ...s3, credentials: stranger } }))).toBe('S3_CREDENTIALS_INVALID');
  const liar = { ...credentials, secretAccessKey: 'env:TEST_S3_WRONG' };
  expect(await code(s3Of('none', 'a/*', { s3: { ...s3, credentials: liar } }))).toBe('S3_CREDENTIALS_INVALID');
  expect(await code(s3Of('none', 'a', { s3, allowPrivate: false }))).toBe('ELT_HTTP_ADDRESS_REFUSED');
  const byName = { ...s3, endpoint: server.endpoint.replace('127.0.0.1', 'localhost') };
  expect(await code(s3Of('none', 'a', { s3: byName, allowPrivate: false }))).toBe('ELT_HTTP_ADDRESS_REFUSED');
  // Where a cloud keeps credentials there is no bucket, whatever is allowed.
  const metadata = { ...s3, endpoint: 'http://169.254.169.254' };
  expect(await code(s3Of('none', 'a', { s3: metadata, allowPrivate: true }))).toBe('ELT_HTTP_ADDRESS_REFUSED');
});

import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { requireSharedStore } from '../../src/client/connect.js';
import type { SharedStore } from '../../src/model/artifact.js';
import { loadSettings } from '../../src/config.js';
import { openStore } from '../../src/storage/open-store.js';
import { stampWorker } from '../../src/storage/workers.js';
import { createTestDatabase } from '../setup/database.js';
import { BUCKET, startProxy, startS3, type Proxy, type S3Server } from '../support/s3-server.js';

let server: S3Server;
let proxy: Proxy;
let folder: string;
let machine = 0;
beforeAll(async () => {
  server = await startS3();
  proxy = await startProxy(server.endpoint);
  vi.stubEnv('AWS_ENDPOINT_URL_S3', proxy.endpoint);
  vi.stubEnv('AWS_ACCESS_KEY_ID', server.credentials.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', server.credentials.secretAccessKey);
  folder = await mkdtemp(join(tmpdir(), 'plumbline-s3-store-'));
});
beforeEach(() => {
  proxy.requests.length = 0;
  proxy.faults.length = 0;
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await proxy?.close();
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

/** A store in the same bucket, seen from a machine of its own. */
function elsewhere(storeCacheBytes = 1e9): { store: SharedStore; cache: string } {
  const stateDir = join(folder, String(machine++));
  return {
    store: openStore({ store: `s3://${BUCKET}/team/plumbline`, stateDir, storeCacheBytes }),
    cache: join(stateDir, 'cache', 'store'),
  };
}
const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');
const keyOf = (hash: string): string => `team/plumbline/sha256/${hash.slice(0, 2)}/${hash}`;
const sent = (method: string): string[] => proxy.requests.filter((one) => one.startsWith(method));

test('what one machine puts, another reads, and each asks the bucket once', async () => {
  const { store, cache } = elsewhere();
  const content = `${'line\n'.repeat(1_000)}`;
  const ref = await store.put(Readable.from([Buffer.from(content)]));
  expect(ref).toEqual({ sha256: sha256(content), bytes: content.length });
  expect(await store.put(Buffer.from(content))).toEqual(ref);
  expect(sent('PUT')).toEqual([`PUT /lake/${keyOf(ref.sha256)}?x-id=PutObject`]);
  expect(await readdir(join(cache, 'incoming'))).toEqual([]);

  const other = elsewhere().store;
  expect([await other.has(ref.sha256), await other.has(sha256('nothing'))]).toEqual([true, false]);
  proxy.requests.length = 0;
  expect((await other.read(ref.sha256)).toString()).toBe(content);
  expect((await other.read(ref.sha256)).toString()).toBe(content);
  expect(sent('GET')).toHaveLength(1);
});

test('an object that comes between two looks at it is there, and one that goes again is not', async () => {
  const { sha256: there } = await elsewhere().store.put(Buffer.from('just put'));
  const { store } = elsewhere();
  proxy.faults.push({ status: 404, code: 'NoSuchKey' });
  expect(await store.has(there)).toBe(true);
  // HEAD, GET and HEAD: there for the second of them alone.
  proxy.faults.push({ status: 404, code: 'NoSuchKey' }, { cutAfter: 1e9 }, { status: 404, code: 'NoSuchKey' });
  expect(await elsewhere().store.has(there)).toBe(false);
});

test('a large object goes up in parts, through errors, and is there only when all of it is', async () => {
  const { store } = elsewhere();
  const content = randomBytes((16 << 20) + 5);
  proxy.faults.push({ cutAfter: 1e9 }, { cutAfter: 1e9 }, { status: 503, code: 'SlowDown' }, { cutAfter: 1e9 }, { status: 500, code: 'InternalError' }); // prettier-ignore
  const ref = await store.put(content);
  const posted = sent('POST');
  expect(posted.at(0)).toContain('uploads');
  expect(posted.at(-1)).toContain('uploadId=');
  expect((await elsewhere().store.read(ref.sha256)).equals(content)).toBe(true);
});

test('what is not what its name says is refused, in the bucket, and fetched anew, on the disk', async () => {
  const { store, cache } = elsewhere();
  const { sha256: hash } = await store.put(Buffer.from('right'));
  await writeFile(join(cache, 'objects', hash), 'wrong');
  expect((await store.read(hash)).toString()).toBe('right');
  await server.put(keyOf(hash), 'wrong');
  await expect(elsewhere().store.read(hash)).rejects.toMatchObject({ code: 'STORE_HASH_MISMATCH', terminal: true });
  await expect(store.localPath(sha256('never put'))).rejects.toMatchObject({ code: 'STORE_OBJECT_MISSING' });
  await expect(store.localPath('../../x')).rejects.toThrow(RangeError);
});

test('the cache gives up what was used longest ago, never what may be in use', async () => {
  const { store, cache } = elsewhere(250);
  const names: string[] = [];
  const put = async (text: string): Promise<void> => void names.push((await store.put(Buffer.from(text.repeat(100)))).sha256); // prettier-ignore
  await put('a');
  await put('b');
  await put('c');
  expect((await readdir(join(cache, 'objects'))).sort()).toEqual([...names].sort());
  const [a, b, c] = names as [string, string, string];
  const hoursAgo = (hours: number): Date => new Date(Date.now() - hours * 3_600_000);
  await utimes(join(cache, 'objects', a), hoursAgo(2), hoursAgo(2));
  await utimes(join(cache, 'objects', b), hoursAgo(3), hoursAgo(3));
  await store.localPath(b);
  await put('d');
  expect((await readdir(join(cache, 'objects'))).sort()).toEqual([b, c, names[3]!].sort());
  expect((await store.read(a)).toString()).toBe('a'.repeat(100));
});

test('a command whose store is not that of the workers is refused', async () => {
  const one = elsewhere().store;
  const identity = await one.identity();
  expect(identity).toMatch(/^[0-9a-f-]{36}$/);
  expect(await elsewhere().store.identity()).toBe(identity);

  const db = await createTestDatabase();
  // A folder of this machine: without a worker nobody knows who sees it.
  const env = { PLUMBLINE_STORE: join(folder, 'mine'), TEMPORAL_ADDRESS: 'temporal.example.com:7233' };
  const unseen = requireSharedStore(await loadSettings({ cwd: folder, env }), db.database);
  await expect(unseen).rejects.toMatchObject({ code: 'NO_WORKER' });
  const worker = { id: 'w', host: 'far', pid: 7, queues: ['default'], version: '0', store: { place: one.place, id: identity } }; // prettier-ignore
  await stampWorker(db.database, worker);
  const settings = async (store: string) => loadSettings({ cwd: folder, env: { PLUMBLINE_STORE: store } });
  expect((await requireSharedStore(await settings(`s3://${BUCKET}/team/plumbline/`), db.database)).place).toBe(one.place); // prettier-ignore
  const refused = requireSharedStore(await settings(join(folder, 'mine')), db.database);
  await expect(refused).rejects.toMatchObject({ code: 'STORE_DIFFERS', terminal: true });
  await expect(refused).rejects.toThrow('s3://lake/team/plumbline/');
  await db.drop();
});

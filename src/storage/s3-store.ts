import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ArtifactRef, SharedStore } from '../model/artifact.js';
import type { S3Location } from '../s3/location.js';
import { openBucket, type S3Bucket } from '../s3/open-bucket.js';
import { assertHash, assertName, objectMissing } from './artifact-store.js';
import { hashMeter } from './hash-meter.js';
import { ownedName } from './owned-files.js';
import { openStoreCache } from './store-cache.js';
import { FRESH_MS, openBucketUse } from './sweep-bucket.js';

/**
 * Objects as `<prefix>/sha256/ab/abcdef…` of a bucket. Each is put whole or not at all, and once; what is read goes through a cache on this
 * machine's disk and is checked against its name there. Bucket and credentials are found as AWS tools find them. Besides `STORE_…` it throws
 * `S3_…`, of which those of the network are transient.
 */
export function openS3Store({
  bucket: name,
  key: prefix,
  cacheDir,
  cacheBytes,
  freshMs = FRESH_MS,
}: S3Location & {
  readonly cacheDir: string;
  readonly cacheBytes: number;
  /** How long after it was put an object needs no mark of its use. @default 20 minutes */
  readonly freshMs?: number;
}): SharedStore {
  const base = prefix === '' ? '' : `${prefix.replace(/\/+$/, '')}/`;
  const keyOf = (sha256: string): string => `${base}sha256/${assertName(sha256).slice(0, 2)}/${sha256}`;
  const cache = openStoreCache(cacheDir, cacheBytes);
  let opened: Promise<S3Bucket> | undefined;
  const bucket = (): Promise<S3Bucket> => (opened ??= openBucket({ bucket: name, doing: 'The artifact store' }));
  const objects = openBucketUse({ bucket, base, keyOf, freshMs });
  let identity: Promise<string> | undefined;

  /** Writes `content` to a file of this process and lends it with its hash. */
  const spooled = async <T>(content: Readable, work: (file: string, ref: ArtifactRef) => Promise<T>): Promise<T> => {
    await mkdir(cache.incoming, { recursive: true });
    const file = join(cache.incoming, ownedName());
    const { meter, ref } = hashMeter();
    try {
      await pipeline(content, meter, createWriteStream(file, { flags: 'wx' }));
      return await work(file, ref());
    } finally {
      await rm(file, { force: true });
    }
  };

  const store: SharedStore = {
    place: `s3://${name}/${base}`,
    put: (content) =>
      spooled(content instanceof Readable ? content : Readable.from([Buffer.from(content)]), async (file, ref) => {
        const there = await bucket();
        const key = keyOf(ref.sha256);
        // One of another length was cut by whatever else writes into this bucket: it is put anew.
        const found = await there.find(key);
        if (found?.bytes !== ref.bytes || !(await objects.use(ref.sha256, found))) await there.putFile(key, file, ref);
        await cache.add(ref.sha256, file);
        return ref;
      }),
    putFile: (path) => store.put(createReadStream(path)),
    has: async (sha256) => objects.use(sha256, await (await bucket()).find(keyOf(sha256))),
    async read(sha256) {
      return readFile(await store.localPath(sha256));
    },
    localFile: async (sha256) => ({ path: await store.localPath(sha256) }),
    async localPath(sha256) {
      const key = keyOf(sha256);
      const path = cache.pathOf(sha256);
      if (await cache.use(sha256)) {
        const hash = createHash('sha256');
        await pipeline(createReadStream(path), hash);
        if (hash.digest('hex') === sha256) return path;
        // The disk has changed it; the bucket still has it.
        await rm(path, { force: true });
      }
      const there = await bucket();
      const object = await there.find(key);
      if (object === undefined) throw objectMissing(sha256);
      await spooled(Readable.from(there.read(object), { objectMode: false }), async (file, received) => {
        assertHash(sha256, received.sha256);
        await cache.add(sha256, file);
      });
      return path;
    },
    identity() {
      identity ??= bucket().then((there) => readIdentity(there, `${base}store-id`));
      // A failure may pass: it is not remembered.
      identity.catch(() => (identity = undefined));
      return identity;
    },
    addUser: async (databaseId) => (await bucket()).write(`${base}users/${databaseId}`, `${databaseId}\n`),
    async users() {
      const found: string[] = [];
      for await (const { key } of (await bucket()).list(`${base}users/`)) found.push(key.slice(`${base}users/`.length));
      return found;
    },
    list: (signal) => objects.list(signal),
    async sweep(found, usedBefore, signal) {
      const gone = await objects.sweep(found, usedBefore, signal);
      for (const { sha256 } of gone) await rm(cache.pathOf(sha256), { force: true });
      return gone;
    },
    async sweepUnfinished(startedBefore) {
      const there = await bucket();
      await objects.sweepMarks(startedBefore);
      let [count, bytes] = [0, 0];
      for await (const upload of there.uploads(`${base}sha256/`)) {
        if (upload.startedMs >= startedBefore) continue;
        bytes += await there.abortUpload(upload);
        count++;
      }
      return { count, bytes };
    },
  };
  return store;
}

/** The first to ask chooses it. */
async function readIdentity(bucket: S3Bucket, key: string): Promise<string> {
  if ((await bucket.find(key)) === undefined) await bucket.create(key, randomUUID());
  const chunks: Buffer[] = [];
  const object = await bucket.find(key);
  if (object !== undefined) for await (const chunk of bucket.read(object)) chunks.push(chunk);
  return Buffer.concat(chunks).toString().trim();
}

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { TransientError } from '../errors.js';
import type { StoredObject } from '../model/artifact.js';
import type { S3Bucket, S3Object } from '../s3/open-bucket.js';

/**
 * Use and deletion of a bucket's objects. An object's own time says when it was put; whoever uses one that is older leaves a
 * mark `used/ab/abcdef…`, and then looks whether a sweep has announced that object. A sweep announces what it is about to delete, in
 * `sweeping/<id>`, and then looks for such a mark. So one of the two always sees the other: the sweep keeps the object, or its user waits
 * for the end of the sweep and finds it gone. What another sweep has announced, too, a sweep leaves alone: between its look and its deletion
 * the other one might delete the object and its user put it anew. Of two that meet at least one sees the other.
 */
export interface BucketUse {
  /** Whether an object that `found` describes is there to stay. Throws `STORE_SWEEPING` (transient). */
  use(sha256: string, found: S3Object | undefined): Promise<boolean>;
  list(signal?: AbortSignal): AsyncGenerator<StoredObject>;
  sweep(objects: readonly StoredObject[], usedBefore: number, signal?: AbortSignal): Promise<StoredObject[]>;
  /** Removes marks of objects that are gone, and what killed sweeps announced. */
  sweepMarks(madeBefore: number): Promise<void>;
}

/** Shorter than the shortest grace of a collection by far more than clocks differ. */
export const FRESH_MS = 20 * 60_000;
const BATCH = 200;
const PARALLEL = 8;
/** A sweep deletes nothing this long after its announcement, which others heed for longer: a sweep that was frozen is late. */
const SWEEP_MS = 120_000;
const ANNOUNCED_MS = 600_000;
const WAIT_MS = 60_000;

export function openBucketUse(options: {
  readonly bucket: () => Promise<S3Bucket>;
  /** `` or `prefix/`. */
  readonly base: string;
  readonly keyOf: (sha256: string) => string;
  readonly freshMs: number;
}): BucketUse {
  const { bucket, base, keyOf, freshMs } = options;
  const usedKey = (sha256: string): string => `${base}used/${sha256.slice(0, 2)}/${sha256}`;

  /** What sweeps other than `own` have announced, as one text of hashes. */
  const announced = async (there: S3Bucket, own?: string): Promise<string> => {
    const texts: string[] = [];
    for await (const announcement of there.list(`${base}sweeping/`)) {
      if (announcement.key === own || Date.now() - usedMs(announcement) > ANNOUNCED_MS) continue;
      const chunks: Buffer[] = [];
      try {
        for await (const chunk of there.read(announcement)) chunks.push(chunk);
      } catch (error) {
        // That sweep has ended.
        if ((error as { code?: unknown }).code === 'S3_OBJECT_MISSING') continue;
        throw error;
      }
      texts.push(Buffer.concat(chunks).toString());
    }
    return texts.join('\n');
  };

  /** Deletes one batch. */
  const sweepBatch = async (batch: readonly StoredObject[], usedBefore: number): Promise<StoredObject[]> => {
    const there = await bucket();
    const announcement = `${base}sweeping/${randomUUID()}`;
    await there.write(announcement, batch.map(({ sha256 }) => sha256).join('\n'));
    const until = performance.now() + SWEEP_MS;
    const gone: StoredObject[] = [];
    try {
      const elsewhere = await announced(there, announcement);
      const left = batch.filter(({ sha256 }) => !elsewhere.includes(sha256));
      const lane = async (): Promise<void> => {
        for (let object = left.pop(); object !== undefined; object = left.pop()) {
          const { sha256 } = object;
          const times = [await there.find(keyOf(sha256)), await there.find(usedKey(sha256))];
          if (times[0] === undefined || times.some((one) => one !== undefined && usedMs(one) >= usedBefore)) continue;
          if (performance.now() > until) return;
          await there.remove(keyOf(sha256));
          if (times[1] !== undefined) await there.remove(usedKey(sha256));
          gone.push(object);
        }
      };
      await Promise.all(Array.from({ length: PARALLEL }, lane));
    } finally {
      await there.remove(announcement).catch(() => {});
    }
    return gone;
  };

  return {
    async use(sha256, found) {
      if (found === undefined) return false;
      if (Date.now() - usedMs(found) < freshMs) return true;
      const there = await bucket();
      await there.write(usedKey(sha256), 'used\n');
      for (const deadline = performance.now() + WAIT_MS; (await announced(there)).includes(sha256); await sleep(200))
        if (performance.now() > deadline)
          throw new TransientError(
            'STORE_SWEEPING',
            `Using object ${sha256} of the artifact store waited ${WAIT_MS / 1000} s for a garbage collection that may delete it.`,
            { details: { sha256 }, next: 'It is tried again; a collection that was killed is heeded for 10 minutes.' },
          );
      return (await there.find(keyOf(sha256))) !== undefined;
    },
    async *list(signal) {
      const there = await bucket();
      const used = new Map<string, number>();
      for await (const mark of there.list(`${base}used/`, signal)) used.set(nameOf(mark), usedMs(mark));
      for await (const object of there.list(`${base}sha256/`, signal)) {
        const sha256 = nameOf(object);
        yield { sha256, bytes: object.bytes, usedMs: Math.max(usedMs(object), used.get(sha256) ?? 0) };
      }
    },
    async sweep(objects, usedBefore, signal) {
      const gone: StoredObject[] = [];
      for (let start = 0; start < objects.length; start += BATCH) {
        signal?.throwIfAborted();
        gone.push(...(await sweepBatch(objects.slice(start, start + BATCH), usedBefore)));
      }
      return gone;
    },
    async sweepMarks(madeBefore) {
      const there = await bucket();
      for await (const mark of there.list(`${base}used/`))
        if (usedMs(mark) < madeBefore && (await there.find(keyOf(nameOf(mark)))) === undefined)
          await there.remove(mark.key);
      for await (const announcement of there.list(`${base}sweeping/`))
        if (Date.now() - usedMs(announcement) > ANNOUNCED_MS) await there.remove(announcement.key);
    },
  };
}

function usedMs({ lastModified }: S3Object): number {
  return Date.parse(lastModified);
}

function nameOf({ key }: S3Object): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

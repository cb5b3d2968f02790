import { createHash } from 'node:crypto';
import type * as Sdk from '@aws-sdk/client-s3';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import { TransientError } from '../errors.js';
import type { BucketOptions, S3Object } from './open-bucket.js';
import { translateS3Error } from './translate-s3-error.js';

// A transfer that moves at all may be cut as often as it likes; one that does not is given up.
const CUTS_WITHOUT_PROGRESS = 3;

/**
 * The bytes of one object as it was listed: every request names its ETag, and after a cut asks only for the rest. The length is checked, and
 * the checksum the server has for the whole object; Amazon's client checks it too when there was no cut.
 * Transient: `S3_OBJECT_CHANGED`, `S3_OBJECT_MISSING`, `S3_CUT`, `S3_CHECKSUM`, `S3_BUSY`.
 */
export async function* readObject(of: {
  readonly sdk: typeof Sdk;
  readonly client: S3Client;
  readonly options: BucketOptions;
  readonly object: S3Object;
  readonly signal?: AbortSignal | undefined;
}): AsyncGenerator<Buffer> {
  const { sdk, client, options, object, signal } = of;
  const { bucket: Bucket, doing } = options;
  const { key: Key, bytes: total, etag } = object;
  const place = `s3://${Bucket}/${Key}`;
  const fail = (error: unknown): Error =>
    translateS3Error(error, { doing, what: `reading ${place} (s3:GetObject)`, bucket: Bucket });
  let bytes = 0;
  let cuts = 0;
  let checksum: Checksum | undefined;
  for (;;) {
    const range = bytes === 0 ? {} : { Range: `bytes=${bytes}-` };
    const command = new sdk.GetObjectCommand({ Bucket, Key, ...range, ...(etag !== '' && { IfMatch: etag }) });
    const response: GetObjectCommandOutput = await client
      .send(command, signal === undefined ? {} : { abortSignal: signal })
      .catch((error: unknown) => {
        signal?.throwIfAborted();
        throw fail(error);
      });
    if (bytes === 0) checksum = checksumOf(response);
    else if (response.ContentRange?.startsWith(`bytes ${bytes}-`) !== true) throw refusedRange(doing, place, bytes);
    const before = bytes;
    const body = response.Body as Readable;
    try {
      for await (const chunk of watched(body, options.idleTimeoutMs ?? 30_000, signal)) {
        bytes += chunk.length;
        checksum?.update(chunk);
        yield chunk;
      }
      if (bytes < total) throw new Error('the connection was closed');
      break;
    } catch (error) {
      signal?.throwIfAborted();
      if (/checksum/i.test((error as Error).message)) throw wrongChecksum(doing, place, error);
      cuts = bytes > before ? 1 : cuts + 1;
      if (cuts > CUTS_WITHOUT_PROGRESS) throw cut(doing, place, bytes, total, error);
      await sleep(200 * 2 ** cuts, undefined, signal === undefined ? {} : { signal });
    } finally {
      body.destroy();
    }
  }
  if (bytes !== total) throw cut(doing, place, bytes, total, new Error('it is longer than was listed'));
  if (checksum !== undefined && !checksum.isRight()) throw wrongChecksum(doing, place);
}

interface Checksum {
  update(chunk: Buffer): void;
  isRight(): boolean;
}

/** Of the whole object, where the server has one of a kind that Node computes; that of a multipart upload is of its parts. */
function checksumOf({ ChecksumSHA256, ChecksumCRC32, ChecksumType }: GetObjectCommandOutput): Checksum | undefined {
  const isWhole = (given: string | undefined): given is string =>
    given !== undefined && ChecksumType !== 'COMPOSITE' && !given.includes('-');
  if (isWhole(ChecksumSHA256)) {
    const hash = createHash('sha256');
    return { update: (chunk) => void hash.update(chunk), isRight: () => hash.digest('base64') === ChecksumSHA256 };
  }
  if (!isWhole(ChecksumCRC32)) return undefined;
  const expected = Buffer.from(ChecksumCRC32, 'base64').readUInt32BE(0);
  let sum = 0;
  return { update: (chunk) => void (sum = crc32(chunk, sum)), isRight: () => sum === expected };
}

/** Ends with an error when nothing came for so long; the time that the reader takes does not count. */
async function* watched(body: Readable, idleTimeoutMs: number, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const abort = (): void => void body.destroy(signal!.reason as Error);
  signal?.addEventListener('abort', abort, { once: true });
  const chunks = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  const silence = (): void => void body.destroy(new Error(`nothing came for ${idleTimeoutMs} ms`));
  try {
    for (;;) {
      const waiting = setTimeout(silence, idleTimeoutMs);
      const next = await chunks.next().finally(() => clearTimeout(waiting));
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

function cut(doing: string, place: string, bytes: number, total: number, cause: unknown): TransientError {
  const why = (cause as Error).message;
  return new TransientError('S3_CUT', `${doing} stopped at ${bytes} of ${total} bytes of ${place}: ${why}.`, {
    details: { bytes, total },
    next: 'Nothing: the step is tried again.',
    cause,
  });
}

function refusedRange(doing: string, place: string, from: number): TransientError {
  return new TransientError(
    'S3_CUT',
    `${doing} could not go on with ${place} from byte ${from}: the server sent another range.`,
    {
      next: 'Nothing: the step is tried again, from the beginning of the object.',
    },
  );
}

function wrongChecksum(doing: string, place: string, cause?: unknown): TransientError {
  return new TransientError('S3_CHECKSUM', `${doing} gave bytes of ${place} that do not fit its checksum.`, {
    next: 'The step is tried again. If it goes on, the object is damaged: upload it again.',
    ...(cause !== undefined && { cause }),
  });
}

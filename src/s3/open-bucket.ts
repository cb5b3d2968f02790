import type { LookupFunction } from 'node:net';
import type { ListMultipartUploadsCommandOutput, S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { putFile } from './put-file.js';
import { readObject } from './read-object.js';
import { translateS3Error } from './translate-s3-error.js';

export interface BucketOptions {
  readonly bucket: string;
  /** URL of a server other than Amazon's. @default AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, else Amazon */
  readonly endpoint?: string | undefined;
  /** @default that of the environment or profile; us-east-1 where an endpoint is named */
  readonly region?: string | undefined;
  /** The bucket stands in the path of a URL and not in its host name. @default true where an endpoint is named */
  readonly pathStyle?: boolean | undefined;
  /** @default the environment, a profile, or the machine's role, as all AWS tools find them */
  readonly credentials?: S3Credentials | 'anonymous' | undefined;
  /** Of ~/.aws/config and ~/.aws/credentials. */
  readonly profile?: string | undefined;
  /** Finds the addresses of the endpoint's host, and may refuse them by an error. */
  readonly lookup?: LookupFunction | undefined;
  /** What is done, for messages: `Reading rides`. */
  readonly doing: string;
  /** How long a transfer may stay silent. @default 30000 */
  readonly idleTimeoutMs?: number | undefined;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** An object as a listing or a HEAD describes it. */
export interface S3Object {
  readonly key: string;
  readonly bytes: number;
  /** With its quotation marks; changes with the content. */
  readonly etag: string;
  /** ISO 8601. */
  readonly lastModified: string;
}

export interface S3Upload {
  readonly key: string;
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
}

/** One bucket. All methods throw `S3_…`; the docblock of each code says whether a retry helps. */
export interface S3Bucket {
  /** Every object whose key begins with `prefix`, page by page; markers of folders are left out. */
  list(prefix: string, signal?: AbortSignal): AsyncGenerator<S3Object>;
  /** Undefined when there is none of that key. Throws `S3_BUCKET_MISSING`. */
  find(key: string, signal?: AbortSignal): Promise<S3Object | undefined>;
  /** The bytes of exactly this object; a transfer that is cut goes on where it stopped. */
  read(object: S3Object, signal?: AbortSignal): AsyncGenerator<Buffer>;
  /** Puts a local file, whole or not at all; the same content twice is one object. `sha256` is checked by servers that can. */
  putFile(key: string, path: string, of: { readonly bytes: number; readonly sha256: string }): Promise<void>;
  /** Puts a few bytes unless the key is there. Gives false when it is. */
  create(key: string, content: string): Promise<boolean>;
  /** Puts a few bytes, whatever was there. */
  write(key: string, content: string): Promise<void>;
  /** The same when it is not there. */
  remove(key: string): Promise<void>;
  /** Uploads in parts that were begun and not finished. */
  uploads(prefix: string): AsyncGenerator<S3Upload>;
  /** Ends one and frees its parts; the same when it is over. Gives their bytes. */
  abortUpload(upload: S3Upload): Promise<number>;
  close(): void;
}

// They take a second or two; a server that is busy for longer ends the step, which is tried again.
const ATTEMPTS = 6;

/** Opens a bucket without asking the server. Amazon's client is loaded at the first call of a process: about 0.2 s. */
export async function openBucket(options: BucketOptions): Promise<S3Bucket> {
  // Their notice of a future minimum of Node is for whoever updates the client, not for the log of each command.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const sdk = await import('@aws-sdk/client-s3');
  const client: S3Client = new sdk.S3Client(clientConfig(options));
  const { bucket: Bucket, doing } = options;
  const tried = async <T>(what: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      throw translateS3Error(error, { doing, what, bucket: Bucket });
    }
  };
  const abort = (signal: AbortSignal | undefined): { abortSignal?: AbortSignal } =>
    signal === undefined ? {} : { abortSignal: signal };

  const bucket: S3Bucket = {
    async *list(prefix, signal) {
      let token: string | undefined;
      do {
        const page = await tried(
          `listing s3://${Bucket}/${prefix} (s3:ListBucket)`,
          () =>
            client.send(
              new sdk.ListObjectsV2Command({ Bucket, Prefix: prefix, ContinuationToken: token, EncodingType: 'url' }),
              abort(signal),
            ),
          signal,
        );
        for (const { Key, Size, ETag, LastModified } of page.Contents ?? []) {
          // A key may hold characters that XML cannot: the listing has it URL-encoded.
          const key = page.EncodingType === 'url' ? decodeURIComponent(Key!.replaceAll('+', ' ')) : Key!;
          if (key.endsWith('/') && Size === 0) continue;
          yield { key, bytes: Size ?? 0, etag: ETag ?? '', lastModified: LastModified?.toISOString() ?? '' };
        }
        token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
      } while (token !== undefined);
    },
    find: (key, signal) => {
      const head = async (): Promise<S3Object> => {
        const found = await client.send(new sdk.HeadObjectCommand({ Bucket, Key: key }), abort(signal));
        const { ContentLength: bytes = 0, ETag: etag = '', LastModified: changed } = found;
        return { key, bytes, etag, lastModified: changed?.toISOString() ?? '' };
      };
      return tried(
        `reading s3://${Bucket}/${key} (s3:GetObject)`,
        async () => {
          try {
            return await head();
          } catch (error) {
            if (statusOf(error) < 400 || statusOf(error) >= 500) throw error;
            // A HEAD has no body: only a GET says whether the key, the bucket, a right or a token is wrong.
            const get = new sdk.GetObjectCommand({ Bucket, Key: key, Range: 'bytes=0-0' });
            const isThere = await client.send(get, abort(signal)).then(
              async ({ Body }) => { await Body?.transformToByteArray(); return true; },
              (why: unknown) => { if (nameOf(why) === 'NoSuchKey') return false; throw why; },
            ); // prettier-ignore
            if (!isThere) return undefined;
            // It has been put since; in the bucket of this key, 404 can only mean that it is gone again.
            if (statusOf(error) !== 404) throw error;
            return await head().catch((again: unknown) => {
              if (statusOf(again) === 404) return undefined;
              throw again;
            });
          }
        },
        signal,
      );
    },
    read: (object, signal) => readObject({ sdk, client, options, object, signal }),
    putFile: (key, path, of) =>
      tried(`writing s3://${Bucket}/${key} (s3:PutObject)`, () =>
        putFile({ sdk, client, bucket: Bucket, key, path, ...of }),
      ),
    create: (key, content) =>
      tried(
        `writing s3://${Bucket}/${key} (s3:PutObject)`,
        () =>
        client.send(new sdk.PutObjectCommand({ Bucket, Key: key, Body: content, IfNoneMatch: '*' })).then(
          () => true,
          (error: unknown) => { if (statusOf(error) === 412 || statusOf(error) === 409) return false; throw error; },
        ), // prettier-ignore
      ),
    async write(key, content) {
      await tried(
        `writing s3://${Bucket}/${key} (s3:PutObject)`,
        () =>
        client.send(new sdk.PutObjectCommand({ Bucket, Key: key, Body: content, ContentLength: Buffer.byteLength(content) })), // prettier-ignore
      );
    },
    async remove(key) {
      await tried(`deleting s3://${Bucket}/${key} (s3:DeleteObject)`, () =>
        client.send(new sdk.DeleteObjectCommand({ Bucket, Key: key })),
      );
    },
    async *uploads(prefix) {
      let after: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } | undefined = {};
      while (after !== undefined) {
        const from = after;
        const page: ListMultipartUploadsCommandOutput = await tried(
          `listing uploads to s3://${Bucket}/${prefix} (s3:ListBucketMultipartUploads)`,
          () => client.send(new sdk.ListMultipartUploadsCommand({ Bucket, Prefix: prefix, ...from })),
        );
        for (const { Key, UploadId, Initiated } of page.Uploads ?? [])
          yield { key: Key!, id: UploadId!, startedMs: Initiated?.getTime() ?? Date.now() };
        const { IsTruncated, NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page;
        after = IsTruncated === true ? { KeyMarker, UploadIdMarker } : undefined;
      }
    },
    abortUpload: ({ key, id }) =>
      tried(`ending an upload to s3://${Bucket}/${key} (s3:AbortMultipartUpload)`, async () => {
        const of = { Bucket, Key: key, UploadId: id };
        try {
          // The first thousand parts: a figure to tell, nothing depends on it.
          const { Parts = [] } = await client.send(new sdk.ListPartsCommand(of));
          await client.send(new sdk.AbortMultipartUploadCommand(of));
          return Parts.reduce((sum, { Size = 0 }) => sum + Size, 0);
        } catch (error) {
          if (nameOf(error) === 'NoSuchUpload') return 0;
          throw error;
        }
      }),
    close: () => client.destroy(),
  };
  return bucket;
}

function clientConfig(options: BucketOptions): S3ClientConfig {
  const { endpoint, credentials, profile, lookup } = options;
  const isElsewhere =
    endpoint !== undefined || Boolean(process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL']);
  const isPublic = credentials === 'anonymous';
  const region = options.region ?? (isElsewhere || isPublic ? 'us-east-1' : undefined);
  const agent = { keepAlive: true, maxSockets: 16, ...(lookup !== undefined && { lookup }) };
  return {
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(profile !== undefined && { profile }),
    ...(isPublic
      ? // A request without a signature, as public buckets take it.
        {
          signer: { sign: (request) => Promise.resolve(request) },
          credentials: { accessKeyId: '', secretAccessKey: '' },
        }
      : credentials !== undefined && { credentials }),
    forcePathStyle: options.pathStyle ?? isElsewhere,
    // Amazon says where a bucket is; other servers have one region.
    followRegionRedirects: !isElsewhere,
    retryMode: 'standard',
    maxAttempts: ATTEMPTS,
    // Other servers may not know the newer checksums: they are asked for, never sent where they are not asked for.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_SUPPORTED',
    requestHandler: { connectionTimeout: 10_000, socketTimeout: 60_000, httpAgent: agent, httpsAgent: agent },
  };
}

function statusOf(error: unknown): number {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode ?? 0;
}

function nameOf(error: unknown): string {
  return (error as Error).name;
}

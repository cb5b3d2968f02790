import { open } from 'node:fs/promises';
import type * as Sdk from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';

// In memory, so that a request whose connection is cut can be sent again.
const PART_BYTES = 16 << 20;
const MAX_PARTS = 9_000;

/** Puts a file in one request, or in parts of 16 MiB or more; the object is there when all of it is. */
export async function putFile(of: {
  readonly sdk: typeof Sdk;
  readonly client: S3Client;
  readonly bucket: string;
  readonly key: string;
  readonly path: string;
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}): Promise<void> {
  const { sdk, client, bucket: Bucket, key: Key, path, bytes, sha256 } = of;
  const target = { Bucket, Key };
  const partBytes = Math.max(PART_BYTES, Math.ceil(bytes / MAX_PARTS));
  const file = await open(path);
  const slice = async (start: number, end: number): Promise<{ Body: Buffer; ContentLength: number }> => {
    const Body = Buffer.alloc(end - start);
    for (let at = 0; at < Body.length;) {
      const { bytesRead } = await file.read(Body, at, Body.length - at, start + at);
      if (bytesRead === 0) throw new Error(`${path} ends at byte ${start + at} of ${bytes}`);
      at += bytesRead;
    }
    return { Body, ContentLength: Body.length };
  };
  try {
    if (bytes <= partBytes) {
      const checksum = { ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64') };
      await client.send(new sdk.PutObjectCommand({ ...target, ...(await slice(0, bytes)), ...checksum }));
      return;
    }
    const { UploadId } = await client.send(new sdk.CreateMultipartUploadCommand(target));
    try {
      const parts: { ETag: string | undefined; PartNumber: number }[] = [];
      for (let start = 0; start < bytes; start += partBytes) {
        const PartNumber = parts.length + 1;
        const content = await slice(start, Math.min(bytes, start + partBytes));
        const { ETag } = await client.send(new sdk.UploadPartCommand({ ...target, UploadId, PartNumber, ...content }));
        parts.push({ ETag, PartNumber });
      }
      const MultipartUpload = { Parts: parts };
      await client.send(new sdk.CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload }));
    } catch (error) {
      await client.send(new sdk.AbortMultipartUploadCommand({ ...target, UploadId })).catch(() => {});
      throw error;
    }
  } finally {
    await file.close();
  }
}

import { TerminalError } from '../errors.js';

export interface S3Location {
  readonly bucket: string;
  /** A key, a glob over keys or a prefix; may be empty. */
  readonly key: string;
}

export function isS3(path: string): boolean {
  return /^s3:\/\//i.test(path);
}

/** Throws `S3_LOCATION` (terminal). Keys are taken as they are written: `%20` is three characters. */
export function parseS3(path: string): S3Location {
  const [, bucket, key] = /^s3:\/\/([a-zA-Z0-9][\w.-]{1,62})(?:\/(.*))?$/is.exec(path) ?? [];
  if (bucket !== undefined) return { bucket, key: key ?? '' };
  throw new TerminalError('S3_LOCATION', `${JSON.stringify(path)} names no bucket; expected s3://bucket/key.`, {
    next: 'Correct the path.',
  });
}

/** Codes of reading from and writing to S3; documented in docs/reference/errors.md. */
export const s3ErrorCodes = {
  S3_LOCATION: 'A path is not `s3://bucket/key`. Correct it.',
  S3_BUCKET_MISSING: 'There is no such bucket at the endpoint. Correct the path or the endpoint.',
  S3_OBJECT_MISSING: 'An object is not there, or no longer; the step is tried again where it had been listed.',
  S3_OBJECT_CHANGED: 'An object was replaced while it was read; the step is tried again.',
  S3_OBJECT_ARCHIVED: 'An object lies in an archive class such as Glacier. Restore it first.',
  S3_ACCESS_DENIED: 'The credentials do not allow it. Grant the right that the message names.',
  S3_CREDENTIALS_MISSING: 'The worker has no credentials for S3. Name them at the source, or in the environment.',
  S3_CREDENTIALS_INVALID: 'The server does not know the access key, or the secret key is not its own.',
  S3_TOKEN_EXPIRED: 'A session token is over. Get a new one, then run again.',
  S3_REGION_WRONG: 'The bucket is in another region, or none is set. Set `region`.',
  S3_CLOCK_SKEW: "The worker's clock is off by more than the server accepts. Set it.",
  S3_BUSY: 'The server asked to slow down, or failed; the step is tried again.',
  S3_UNREACHABLE: 'The server does not answer; the step is tried again.',
  S3_CUT: 'A transfer stopped, and stopped again when it was resumed; the step is tried again.',
  S3_CHECKSUM: 'What came is not what the server says the object is; the step is tried again.',
  S3_REFUSED: 'The server refused a request; the message has its reason.',
} as const;

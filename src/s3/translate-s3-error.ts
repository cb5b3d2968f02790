import { PipelineError, TerminalError, TransientError } from '../errors.js';
import type { s3ErrorCodes } from './errors.js';

type Code = keyof typeof s3ErrorCodes;

/** Codes of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, which other servers use too. */
const KNOWN: Readonly<Record<string, Code>> = {
  NoSuchBucket: 'S3_BUCKET_MISSING',
  InvalidBucketName: 'S3_BUCKET_MISSING',
  NoSuchKey: 'S3_OBJECT_MISSING',
  PreconditionFailed: 'S3_OBJECT_CHANGED',
  InvalidObjectState: 'S3_OBJECT_ARCHIVED',
  AccessDenied: 'S3_ACCESS_DENIED',
  AllAccessDisabled: 'S3_ACCESS_DENIED',
  AccountProblem: 'S3_ACCESS_DENIED',
  CredentialsProviderError: 'S3_CREDENTIALS_MISSING',
  InvalidAccessKeyId: 'S3_CREDENTIALS_INVALID',
  SignatureDoesNotMatch: 'S3_CREDENTIALS_INVALID',
  // versitygw's own.
  XAdminUserNotFound: 'S3_CREDENTIALS_INVALID',
  InvalidToken: 'S3_CREDENTIALS_INVALID',
  ExpiredToken: 'S3_TOKEN_EXPIRED',
  ExpiredTokenException: 'S3_TOKEN_EXPIRED',
  TokenRefreshRequired: 'S3_TOKEN_EXPIRED',
  PermanentRedirect: 'S3_REGION_WRONG',
  AuthorizationHeaderMalformed: 'S3_REGION_WRONG',
  IllegalLocationConstraintException: 'S3_REGION_WRONG',
  RequestTimeTooSkewed: 'S3_CLOCK_SKEW',
  RequestExpired: 'S3_CLOCK_SKEW',
  SlowDown: 'S3_BUSY',
  ServiceUnavailable: 'S3_BUSY',
  InternalError: 'S3_BUSY',
  RequestTimeout: 'S3_BUSY',
  TimeoutError: 'S3_UNREACHABLE',
};

const TRANSIENT: readonly Code[] = [
  'S3_OBJECT_MISSING',
  'S3_OBJECT_CHANGED',
  'S3_CLOCK_SKEW',
  'S3_BUSY',
  'S3_UNREACHABLE',
  'S3_CUT',
  'S3_CHECKSUM',
];

const NEXT: Partial<Readonly<Record<Code, string>>> = {
  S3_BUCKET_MISSING: 'Correct the bucket in the path, or `endpoint`.',
  S3_OBJECT_ARCHIVED: 'Restore the object, for example with `aws s3api restore-object`, then run again.',
  S3_ACCESS_DENIED: 'Grant that right on the bucket or the object to the credentials that the worker uses.',
  S3_CREDENTIALS_MISSING:
    'Set `s3.access_key_id` and `s3.secret_access_key` of the source, or AWS_PROFILE or AWS_ACCESS_KEY_ID where the worker starts; for a public bucket, `anonymous: true`.',
  S3_CREDENTIALS_INVALID: 'Correct the access key and the secret key; both must belong to this server.',
  S3_TOKEN_EXPIRED: 'Get a new session, for example with `aws sso login`, then run again.',
  S3_REGION_WRONG: 'Set `s3.region` of the source (AWS_REGION for the artifact store) to the region of the bucket.',
  S3_CLOCK_SKEW: 'Set the clock of the worker, for example by NTP. The step is tried again.',
};

/**
 * An error of the client or of the server as ours, with its next step; what is ours already passes unchanged.
 *
 * @param what the request and, where a right is needed, which
 */
export function translateS3Error(
  error: unknown,
  { doing, what, bucket }: { readonly doing: string; readonly what: string; readonly bucket: string },
): Error {
  if (error instanceof PipelineError) return error;
  const { code, reason } = explain(error);
  const context = {
    details: { bucket, ...requestOf(error) },
    next: NEXT[code] ?? (TRANSIENT.includes(code) ? 'Nothing: the step is tried again.' : 'See the reason the server gives.'),
    // The client's own error carries the connection and the signed request: neither is for logs.
    cause: new Error(`${(error as Error).name}: ${(error as Error).message}`),
  }; // prettier-ignore
  const message = `${doing} failed at ${what}: ${reason}.`;
  return TRANSIENT.includes(code)
    ? new TransientError(code, message, context)
    : new TerminalError(code, message, context);
}

function explain(error: unknown): { code: Code; reason: string } {
  const { name, message, code: system } = error as Error & { code?: unknown };
  const text = message.replace(/\s+/g, ' ').replace(/\.$/, '');
  const status = statusOf(error);
  if (/^Region is missing/.test(message)) return { code: 'S3_REGION_WRONG', reason: 'no region is set' };
  const known = KNOWN[name];
  if (known !== undefined) return { code: known, reason: text === name || text === '' ? name : `${name}: ${text}` };
  if (status === 0)
    return { code: 'S3_UNREACHABLE', reason: typeof system === 'string' && !text.includes(system) ? `${system} ${text}` : text };
  if (status === 301 || status === 307) return { code: 'S3_REGION_WRONG', reason: `the server redirects (${status})` };
  if (status === 403) return { code: 'S3_ACCESS_DENIED', reason: `the server answered 403: ${text}` };
  if (status === 412) return { code: 'S3_OBJECT_CHANGED', reason: 'the object is another now' };
  if (status === 429 || status >= 500) return { code: 'S3_BUSY', reason: `the server answered ${status}: ${text}` };
  return { code: 'S3_REFUSED', reason: `the server answered ${status}, ${name}: ${text}` };
} // prettier-ignore

function statusOf(error: unknown): number {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode ?? 0;
}

/** What Amazon's support asks for. */
function requestOf(error: unknown): { requestId?: string } {
  const requestId = (error as { $metadata?: { requestId?: string } }).$metadata?.requestId;
  return requestId === undefined ? {} : { requestId };
}

import { PipelineError, TerminalError, TransientError } from '../errors.js';

export const storageErrorCodes = {
  PG_UNREACHABLE: 'PostgreSQL did not answer. Start it (`plumbline up`) or check the database URL.',
  PG_LOGIN_REFUSED: 'PostgreSQL refused the login: wrong user, password or database. Check PLUMBLINE_DATABASE_URL.',
  PG_TLS_FAILED:
    'The encrypted connection to PostgreSQL could not be made: the server has no TLS, or its certificate is not trusted. See `sslmode` and `sslrootcert` in the database URL.',
  PG_NOT_MIGRATED:
    'The database has no tables of plumbline yet, or those of an earlier version. Start a worker on it, which makes them; after an upgrade, `plumbline down` and `plumbline up`.',
  PG_POOLER:
    'Between here and PostgreSQL stands a pooler that lends a connection for one transaction; what is written needs one that stays. Set PLUMBLINE_DATABASE_DIRECT_URL.',
  PG_CONNECTION_LOST: 'PostgreSQL closed the connection during a statement; the step is tried again.',
  PG_BUSY: 'A lock, a deadlock, or PostgreSQL is out of connections or memory; the step is tried again. See its log.',
  PG_LIMIT:
    'A table would go beyond a limit of PostgreSQL: 1,600 columns, 8 KiB of a row that cannot be stored aside, or 2,704 bytes of an indexed key.',
  PG_DISK_FULL:
    'The disk of PostgreSQL is full. What is being written is undone, published tables stay; make room, the step is tried again and goes on where it was.',
  DISK_FULL:
    'A disk of the worker is full: that of the artifact store, or of temporary files. Make room, the step is tried again.',
  STORE_OBJECT_MISSING: 'The artifact store has no object of that hash.',
  STORE_SWEEPING: 'An object is about to be deleted by a garbage collection; the step is tried again.',
  STORE_HASH_MISMATCH: 'An object in the artifact store is not what its name says; it was changed or cut.',
} as const;

const UNREACHABLE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']);
// https://nodejs.org/api/tls.html#x509-certificate-error-codes, and OpenSSL's own.
const TLS =
  /^(EPROTO$|ERR_SSL_|ERR_TLS_|CERT_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_(GET|VERIFY|DECRYPT|DECODE)_|HOSTNAME_MISMATCH|INVALID_(CA|PURPOSE)$)/;
// https://www.postgresql.org/docs/current/errcodes-appendix.html: class 08 connection, 57P shutdown, 40 rollback, 55P03 lock,
// 53 resources (connections, disk, memory), 58 I/O, class 28 authorization, 3D000 unknown database, 42P01 unknown table.
const REFUSED = /^(28|3D000)/;
const LOST = /^(08|57P0)/;
const BUSY = /^(40|53|55P03|58)/;

/** Connection trouble and lock conflicts become TransientErrors; every other error of PostgreSQL passes unchanged. */
export function translatePostgresError(error: unknown): unknown {
  if (error instanceof PipelineError || !(error instanceof Error)) return error;
  const code = (error as { code?: unknown }).code;
  const text = typeof code === 'string' ? code : '';
  if (
    UNREACHABLE.has(text) ||
    // A socket file that is not there; the same code is every missing file's.
    (text === 'ENOENT' && (error as { syscall?: unknown }).syscall === 'connect') ||
    /timeout expired|Connection terminated due to connection timeout/i.test(error.message)
  ) {
    return new TransientError('PG_UNREACHABLE', `Connecting to PostgreSQL failed: ${error.message || text}.`, {
      next: 'Start it with `plumbline up`, or check PLUMBLINE_DATABASE_URL.',
      cause: error,
    });
  }
  const { syscall, path } = error as { syscall?: unknown; path?: unknown };
  // pg reads the files of the URL when it connects, and reads no others.
  if (typeof path === 'string' && syscall === 'open' && /^(ENOENT|EACCES|ENOTDIR)$/.test(text)) {
    return new TransientError(
      'PG_TLS_FAILED',
      `Encrypting the connection to PostgreSQL failed: ${path}, which the database URL names, cannot be read (${text}).`,
      { next: 'Correct `sslrootcert`, `sslcert` or `sslkey` in PLUMBLINE_DATABASE_URL.', cause: error },
    );
  }
  // Two of pg's own errors have no code.
  if (TLS.test(text) || /SSL connection/.test(error.message)) {
    return new TransientError(
      'PG_TLS_FAILED',
      `Encrypting the connection to PostgreSQL failed: ${error.message.trim()}.`,
      {
        next: 'See `sslmode` and `sslrootcert` in PLUMBLINE_DATABASE_URL.',
        cause: error,
      },
    );
  }
  // PgBouncer before 1.20 refuses settings at the start; from then on it keeps those that are sent.
  if (/unsupported startup parameter/.test(error.message)) {
    return new TerminalError('PG_POOLER', `Connecting to PostgreSQL was refused by a pooler: ${error.message}.`, {
      next: 'Set PLUMBLINE_DATABASE_DIRECT_URL to PostgreSQL itself; a pooler for serving must be PgBouncer 1.20 or newer, or one that takes `options`.',
      cause: error,
    });
  }
  // The pool's own words for one that waited; connecting has others.
  if (/timeout exceeded when trying to connect/.test(error.message)) {
    return new TransientError(
      'PG_BUSY',
      'Waiting for a connection to PostgreSQL took too long: all that this process may hold are at work.',
      { next: 'Nothing: the step is tried again. Start one more worker, or see what runs so long.', cause: error },
    );
  }
  if (REFUSED.test(text)) {
    return new TransientError('PG_LOGIN_REFUSED', `Logging in to PostgreSQL failed: ${error.message}.`, {
      next: 'Check user, password and database in PLUMBLINE_DATABASE_URL.',
      cause: error,
    });
  }
  if (text === '42P01' && /relation "plumbline\./.test(error.message)) {
    return new TransientError('PG_NOT_MIGRATED', `The database has no tables of plumbline: ${error.message}.`, {
      next: 'Start a worker on this database, which makes them: `plumbline worker`. Or check PLUMBLINE_DATABASE_URL.',
      cause: error,
    });
  }
  if (
    LOST.test(text) ||
    text === 'ECONNRESET' ||
    text === 'EPIPE' ||
    /Connection terminated|not queryable/i.test(error.message)
  ) {
    return new TransientError('PG_CONNECTION_LOST', `PostgreSQL closed the connection: ${error.message}.`, {
      next: 'See whether PostgreSQL runs (`plumbline status`) and whether PLUMBLINE_DATABASE_URL names it.',
      cause: error,
    });
  }
  if (text === '54000' || text === '54011') return beyondLimit(error);
  if (text === '53100')
    return new TransientError('PG_DISK_FULL', `Writing to PostgreSQL failed: ${error.message}.`, {
      next: 'Make room on the disk of PostgreSQL: the step is tried again and goes on where it was.',
      cause: error,
    });
  if (BUSY.test(text))
    return new TransientError('PG_BUSY', `PostgreSQL refused for now: ${error.message}.`, { cause: error });
  return error;
}

const LIMITS: readonly (readonly [RegExp, string])[] = [
  [
    /^index row/,
    'A value of a key column is too long for an index: take another `primary_key` or merge key, for example a hash that the source or a query computes.',
  ],
  [
    /^row is too big/,
    'Each value needs its place in one block of 8 KiB: load fewer columns, for example several resources with some of them each, or the record as one jsonb column.',
  ],
  [
    /at most \d+ (columns|entries)/,
    'The columns of all files of a table add up: load files of other columns into a table of their own, or set `contract: { columns: discard_value }`.',
  ],
];

function beyondLimit(error: Error): TerminalError {
  const next =
    LIMITS.find(([said]) => said.test(error.message))?.[1] ??
    'See "PostgreSQL Limits" in its documentation: store less in one row.';
  return new TerminalError('PG_LIMIT', `PostgreSQL refused: ${error.message}.`, { next, cause: error });
}

import { PipelineError, TerminalError, TransientError } from '../../errors.js';
import type { ResourceConfig } from '../../model/project.js';

export interface SourceContext {
  readonly resource: Pick<ResourceConfig, 'id' | 'at' | 'path'>;
  /** The database in messages: the reference to its URL, never the URL. */
  readonly database: string;
  /** Takes secrets out of a text. */
  readonly redact: (text: string) => string;
}

/** An error of a source's server or connection in the user's words; errors of plumbline pass unchanged. */
export function sourceError(error: unknown, { resource, database, redact }: SourceContext): unknown {
  // The connection's own errors speak of the warehouse.
  const isConnection = error instanceof PipelineError && error.code.startsWith('PG_');
  if (!(error instanceof Error) || (error instanceof PipelineError && !isConnection)) return error;
  const raw = isConnection && error.cause instanceof Error ? error.cause : error;
  const { code } = raw as { code?: unknown };
  const sqlstate = typeof code === 'string' ? code : '';
  const detail = redact(raw.message || sqlstate).trim();
  const { at, id, path } = resource;
  // The cause is left out: pg's errors may carry the URL.
  const terminal = (code: string, what: string, next: string): TerminalError =>
    new TerminalError(code, `Reading ${id} from ${database} failed: ${what}.`, { at, next, details: { sqlstate } });
  const transient = (code: string, what: string, next: string): TransientError =>
    new TransientError(code, `Reading ${id} from ${database} failed: ${what}.`, { at, next, details: { sqlstate } });

  switch (isConnection ? error.code : '') {
    case 'PG_UNREACHABLE':
      return transient('ELT_PG_UNREACHABLE', `the server does not answer: ${detail}`, 'See whether it runs, and whether host and port of the URL are right; the step is tried again.'); // prettier-ignore
    case 'PG_LOGIN_REFUSED':
      return terminal('ELT_PG_LOGIN', `the server refused the login: ${detail}`, 'Correct user, password or database of the URL.'); // prettier-ignore
    case 'PG_TLS_FAILED':
      return terminal('ELT_PG_TLS', `the connection cannot be encrypted: ${redact(error.message)}`.replace(/\.$/, ''), 'Correct `sslmode` and `sslrootcert` of the URL.'); // prettier-ignore
    case 'PG_CONNECTION_LOST':
      return transient('ELT_PG_UNREACHABLE', `the connection was closed: ${detail}`, 'Nothing: the step is tried again.'); // prettier-ignore
  }
  if (sqlstate === '57014' && /statement timeout/.test(detail))
    return terminal('ELT_PG_TIMEOUT', `a statement took longer than the server allows: ${detail}`, 'Raise `statement_timeout` of the role, or read less: a cursor, or a query.'); // prettier-ignore
  if (sqlstate === '42501')
    return terminal('ELT_PG_PERMISSION', `the role may not read ${path}: ${detail}`, 'Let the owner grant SELECT on it to the role.'); // prettier-ignore
  // 40001 on a standby: the primary needed what the snapshot held. 57P: shut down. 72000: snapshot too old.
  if (/^(40|53|55|57|58|08|72|25P03)/.test(sqlstate))
    return transient('ELT_PG_BUSY', `the server refused for now: ${detail}`, 'Nothing: the step is tried again.');
  if (/^(0A|2|3|4|54|P0)/.test(sqlstate))
    return terminal('ELT_PG_SQL', `PostgreSQL refused ${path}: ${detail}`, 'Correct `table`, `query`, `columns` or `cursor`.'); // prettier-ignore
  return error;
}

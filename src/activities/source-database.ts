import type { RunRef } from '../contracts/run.js';
import { lanesOf } from '../elt/postgres/lanes-of.js';
import { sourceDatabase } from '../elt/postgres/source-database.js';
import { openSecrets } from '../elt/http/secrets.js';
import { TerminalError } from '../errors.js';
import type { Database } from '../model/database.js';
import type { ResourceConfig } from '../model/project.js';
import { openDatabase } from '../storage/database.js';

export interface OpenedSource {
  readonly source: Database;
  /** The reference to its URL, which messages show. */
  readonly sourceName: string;
}

/**
 * Lends the database that a postgres resource is read from, and closes its connections afterwards. The URL is read on
 * the worker when it is used. Throws `ELT_SECRET_MISSING` and `ELT_PG_URL` (terminal).
 */
export async function withSourceDatabase<T>(
  resource: ResourceConfig,
  run: RunRef,
  work: (opened: OpenedSource) => Promise<T>,
): Promise<T> {
  const { connection } = resource.postgres!;
  const secrets = openSecrets(process.env, run.root);
  const url = await secrets.valueOf(connection);
  const password = passwordOf(url, resource);
  if (password !== '') secrets.add(password);
  const database = openDatabase({
    url,
    // One more cancels a statement of the others.
    max: lanesOf(resource) + 1,
    applicationName: 'plumbline',
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    // The transaction sets what it needs: some poolers refuse settings at the start.
    startup: '',
  });
  try {
    const context = { resource, database: connection, redact: (text: string) => secrets.redact(text) };
    return await work({ source: sourceDatabase(database, context), sourceName: connection });
  } finally {
    await database.close();
  }
}

const CONNECT_TIMEOUT_MS = 10_000;

function passwordOf(url: string, { id, at, postgres }: ResourceConfig): string {
  try {
    if (/^postgres(ql)?:\/\//.test(url)) return decodeURIComponent(new URL(url).password);
  } catch {
    // Their messages show the URL.
  }
  throw new TerminalError('ELT_PG_URL', `Reading ${id} failed: what ${postgres!.connection} holds is no URL of a PostgreSQL database.`, {
    at,
    next: 'Write it as postgres://user:password@host:5432/database; percent-encode marks in the password.',
  }); // prettier-ignore
}

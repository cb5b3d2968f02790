import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { TerminalError } from '../errors.js';
import { translatePostgresError } from './errors.js';

/** What stands between here and PostgreSQL: one that lends a connection for a client's session, or for one transaction. */
export type Pooler = 'session' | 'transaction';

const TIMEOUT_MS = 3_500;
// In a busy pool a third client may take the connection between two of these; not so often.
const LOOKS = 20;

/**
 * The kind of pooler that a URL leads to; undefined for PostgreSQL itself, which alone tells a client the number of the
 * process that then answers. Which kind it is shows in whether a setting of one session is seen by another one, or gone.
 * One round trip without a pooler, a handful with one. Throws `PG_…`; a retry helps as for any connection.
 */
export async function findPooler(url: string): Promise<Pooler | undefined> {
  const [one, other] = [clientOf(url), clientOf(url)];
  try {
    await one.connect();
    const { rows } = await one.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    // pg's type package leaves `processID` out.
    if (rows[0]?.pid === (one as unknown as { processID: number | null }).processID) return undefined;
    await other.connect();
    for (let look = 0; look < LOOKS; look++) {
      const mark = randomUUID();
      await one.query(`SELECT set_config('plumbline.probe', $1, false)`, [mark]);
      // In a transaction it keeps the connection that it has got, so that `one` cannot be given it again.
      const seen = await beginAndRead(other).catch(whyNot);
      if (seen === mark || seen === REFUSED || (await markOf(one)) !== mark) return 'transaction';
      if (seen === WAITS) break;
      await other.query('ROLLBACK');
    }
    return 'session';
  } catch (error) {
    throw translatePostgresError(error);
  } finally {
    await Promise.all([end(one), end(other)]);
  }
}

/**
 * Throws `PG_POOLER` (terminal) when a pooler lends connections by the transaction: writers name their connection in the
 * ledger so that a successor can end it, swaps are held back by a lock of a session, and both need a connection that stays.
 */
export async function assertSessions(url: string): Promise<void> {
  if ((await findPooler(url)) === 'transaction') throw poolerError();
}

export function poolerError(): TerminalError {
  return new TerminalError(
    'PG_POOLER',
    'Connecting to PostgreSQL found a pooler that lends a connection for one transaction, expected one that stays: a load is fenced by ending the connection of its former writer.',
    {
      next: 'Set PLUMBLINE_DATABASE_DIRECT_URL to PostgreSQL itself, or to a pooler by session; serving goes on using PLUMBLINE_DATABASE_URL.',
    },
  );
}

function clientOf(url: string): pg.Client {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
    application_name: 'plumbline check',
  });
  // Its end is seen by whoever asks next.
  client.on('error', () => {});
  return client;
}

async function beginAndRead(client: pg.Client): Promise<string | null> {
  await client.query('BEGIN');
  const mark = await markOf(client);
  // What is read here will be the next one's, too.
  await client.query(`SELECT set_config('plumbline.probe', '', false)`);
  return mark;
}

const REFUSED = Symbol('refused');
const WAITS = Symbol('waits');

/** A pooler by the statement refuses BEGIN; one by the session that has no second connection lets it wait. */
function whyNot(error: unknown): symbol {
  if (/^[\dA-Z]{5}$/.test(String((error as { code?: unknown }).code))) return REFUSED;
  if (/timeout/i.test((error as Error).message)) return WAITS;
  throw error;
}

async function markOf(client: pg.Client): Promise<string | null> {
  const { rows } = await client.query<{ mark: string | null }>(
    `SELECT current_setting('plumbline.probe', true) AS mark`,
  );
  return rows[0]?.mark ?? null;
}

/** One that waits for an answer is cut off. */
async function end(client: pg.Client): Promise<void> {
  await Promise.race([client.end().catch(() => {}), new Promise((resolve) => setTimeout(resolve, 200).unref())]);
}

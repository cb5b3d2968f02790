import { randomUUID } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFromStream } from 'pg-copy-streams';
import type { Database, Queryable, QueryOptions, Row, Session, TransactionSettings } from '../model/database.js';
import { TransientError } from '../errors.js';
import { CopyOut } from './copy-out.js';
import { translatePostgresError } from './errors.js';

export interface DatabaseOptions {
  /** `postgres://…`; never logged. */
  readonly url: string;
  /** Connections this process may hold. @default 10 */
  readonly max?: number;
  /**
   * Connections that stay open once they are, though nothing uses them: what comes minutes later finds what PostgreSQL has read of
   * the catalog and planned by then. Others are closed after 10 s, and each after 6 h. @default 0
   */
  readonly warm?: number;
  readonly applicationName?: string;
  /** How long connecting may take. @default 5000 */
  readonly connectTimeoutMs?: number;
  /** How long a statement may wait for one of `max` connections, with the time of connecting. @default 60000 */
  readonly waitTimeoutMs?: number;
  /** Settings that each connection starts with, as `postgres -c` takes them. @default UTC and ISO dates; '' where a pooler refuses them */
  readonly startup?: string;
  /** Whether a connection keeps statements prepared that are asked for so; a pooler by the transaction lends another one each time. @default true */
  readonly mayKeep?: boolean;
}

export interface OpenDatabase extends Database {
  close(): Promise<void>;
}

// Dates and timestamps stay PostgreSQL's text: a JavaScript Date has no microseconds and no infinity.
const TEXT_OIDS = new Set([1082, 1083, 1114, 1184, 1186, 1266]);
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    TEXT_OIDS.has(oid)
      ? (value: string) => value
      : (pg.types.getTypeParser(oid, format) as unknown)) as typeof pg.types.getTypeParser,
};

// bytea, json, float4, float8, jsonb
const SHOWN_AS_TEXT = new Set([17, 114, 700, 701, 3802]);
const shownTypes: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    SHOWN_AS_TEXT.has(oid)
      ? (value: string) => value
      : (types.getTypeParser(oid, format) as unknown)) as typeof pg.types.getTypeParser,
};

const STARTUP = '-c timezone=UTC -c datestyle=ISO -c intervalstyle=iso_8601 -c standard_conforming_strings=on';

/**
 * A pool of connections to PostgreSQL, in UTC and ISO dates. Connecting fails after `connectTimeoutMs` with `PG_UNREACHABLE`;
 * where all connections are at work, a statement waits its turn, and fails after `waitTimeoutMs` with `PG_BUSY`.
 */
export function openDatabase(options: DatabaseOptions): OpenDatabase {
  const connectTimeoutMs = options.connectTimeoutMs ?? 5_000;
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.max ?? 10,
    min: options.warm ?? 0,
    application_name: options.applicationName ?? 'plumbline',
    // The pool's time is also that of waiting for a connection, which is no sign of a server that is away.
    connectionTimeoutMillis: Math.max(options.waitTimeoutMs ?? 60_000, connectTimeoutMs),
    Client: clientThatConnectsWithin(connectTimeoutMs),
    keepAlive: true,
    // Else two hours: a firewall or balancer has forgotten an idle connection by then, and a statement on it would wait for minutes.
    keepAliveInitialDelayMillis: 60_000,
    // A backend keeps some 2 KiB of every table that it has ever seen come and go.
    maxLifetimeSeconds: 6 * 3_600,
    types,
    options: options.startup ?? STARTUP,
  });
  // An idle connection that breaks is replaced by the pool; the next query reports what matters.
  pool.on('error', () => {});

  const statement: Prepare = options.mayKeep === false ? (text, parameters) => prepare(text, parameters) : prepare;
  const run = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw translatePostgresError(error);
    }
  };

  const database: OpenDatabase = {
    query: <R = Row>(text: string, parameters?: readonly unknown[], options?: QueryOptions) =>
      run(async () => (await pool.query<R & pg.QueryResultRow>(statement(text, parameters, options))).rows as R[]),
    execute: (text, parameters, options) =>
      run(async () => (await pool.query(statement(text, parameters, options))).rowCount ?? 0),
    async session(work) {
      const client = await run(() => pool.connect());
      const failure: { error?: Error } = {};
      // A backend killed while nothing runs on it would otherwise be an unhandled 'error' event.
      const onError = (error: Error) => (failure.error = error);
      client.on('error', onError);
      try {
        return await work(await openSession(client, failure, statement));
      } catch (error) {
        throw translatePostgresError(error);
      } finally {
        client.off('error', onError);
        client.release(failure.error);
      }
    },
    transaction: (work, settings) => database.session((session) => session.transaction(() => work(session), settings)),
    close: () => pool.end(),
  };
  return database;
}

function clientThatConnectsWithin(connectTimeoutMs: number): typeof pg.Client {
  return class extends pg.Client {
    constructor(config: pg.ClientConfig) {
      super({ ...config, connectionTimeoutMillis: connectTimeoutMs });
    }
  };
}

/**
 * The same database, with every connection it lends named `tag` (application_name, at most 63 bytes), so that whoever
 * takes the work over can find and end what a frozen predecessor still holds.
 */
export function tagDatabase(database: Database, tag: string): Database {
  const tagged: Database = {
    query: (text, parameters, options) => tagged.session((session) => session.query(text, parameters, options)),
    execute: (text, parameters, options) => tagged.session((session) => session.execute(text, parameters, options)),
    session: (work) =>
      database.session(async (session) => {
        await session.query(`SELECT set_config('application_name', $1, false)`, [tag], { isKept: true });
        try {
          return await work(session);
        } finally {
          // A broken connection is thrown away by the pool; there is no name to give back.
          await session.execute('RESET application_name').catch(() => {});
        }
      }),
    transaction: (work, settings) => tagged.session((session) => session.transaction(() => work(session), settings)),
  };
  return tagged;
}

/** Ends the connections whose name matches the regular expression and waits, up to 10 s, until they are gone. */
export async function endConnections(database: Queryable, namePattern: string): Promise<number> {
  const deadline = performance.now() + 10_000;
  let ended = 0;
  for (;;) {
    const rows = await database.query<{ pid: number }>(
      `SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name ~ $1`,
      [namePattern],
      { isKept: true },
    );
    if (rows.length === 0) return ended;
    ended = Math.max(ended, rows.length);
    if (performance.now() > deadline) {
      throw new TransientError('PG_BUSY', `Ending ${rows.length} connections of an earlier attempt took over 10 s.`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Left to itself pg sends an empty list of parameters as none; the extended protocol takes one statement, no more. */
function prepare(
  text: string,
  parameters?: readonly unknown[],
  { isKept = false }: QueryOptions = {},
): string | pg.QueryConfig {
  if (parameters === undefined) return text;
  if (isKept) return { name: nameOf(text), text, values: [...parameters] };
  // pg's type package leaves `queryMode` out.
  const extended: pg.QueryConfig & { queryMode: 'extended' } = { text, values: [...parameters], queryMode: 'extended' };
  return extended;
}

type Prepare = typeof prepare;

const names = new Map<string, string>();
// Behind a pooler a connection may have statements of a process before this one.
const ownPrefix = `plumbline_${randomUUID().slice(0, 8)}`;

function nameOf(text: string): string {
  const name = names.get(text) ?? `${ownPrefix}_${names.size}`;
  names.set(text, name);
  return name;
}

async function openSession(client: pg.PoolClient, failure: { error?: Error }, statement: Prepare): Promise<Session> {
  const { pid, started } = await backendOf(client);
  const session: Session = {
    pid,
    backendStart: started,
    get isBroken() {
      return failure.error !== undefined;
    },
    query: async <R = Row>(text: string, parameters?: readonly unknown[], options?: QueryOptions) =>
      (await client.query<R & pg.QueryResultRow>(statement(text, parameters, options))).rows as R[],
    execute: async (text, parameters, options) =>
      (await client.query(statement(text, parameters, options))).rowCount ?? 0,
    async queryLists(text) {
      const { fields, rows } = await client.query({ text, rowMode: 'array', types: shownTypes });
      return { columns: fields.map(({ name, dataTypeID }) => ({ name, typeId: dataTypeID })), rows };
    },
    async copyFrom(statement: string, source: Readable, options = {}) {
      const target = client.query(copyFromStream(statement));
      try {
        await pipeline(source, target, options.signal === undefined ? {} : { signal: options.signal });
      } catch (error) {
        // A COPY cut in the middle leaves the protocol in an unknown state: the connection must not be reused.
        failure.error ??= error as Error;
        throw error;
      }
      return target.rowCount;
    },
    async copyTo(statement: string, sink: Writable, options = {}) {
      const source = client.query(new CopyOut(statement));
      try {
        await pipeline(source, sink, options.signal === undefined ? {} : { signal: options.signal });
      } catch (error) {
        failure.error ??= error as Error;
        throw error;
      }
    },
    async describe(select) {
      // Never fetched: the Limit above it stops before the first row.
      const { fields } = await client.query(
        statement(`SELECT * FROM (${select}\n) AS described LIMIT 0`, []) as pg.QueryConfig,
      );
      return fields.map(({ name, dataTypeID, dataTypeModifier }) => ({
        name,
        typeId: dataTypeID,
        typeModifier: dataTypeModifier,
      }));
    },
    async transaction(work, settings) {
      await client.query(beginOf(settings));
      let result;
      try {
        result = await work();
      } catch (error) {
        if (failure.error === undefined)
          await client.query('ROLLBACK').catch((broken: Error) => (failure.error = broken));
        throw error;
      }
      await client.query('COMMIT');
      return result;
    },
  };
  return session;
}

/** One round trip. The settings are not those of the start, which poolers refuse. */
function beginOf({ lockTimeoutMs, idleTimeoutMs = 60_000 }: TransactionSettings = {}): string {
  const lock = lockTimeoutMs === undefined ? '' : `; SET LOCAL lock_timeout = ${lockTimeoutMs}`;
  return `BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${idleTimeoutMs}${lock}`;
}

interface Backend {
  readonly pid: number;
  readonly started: string;
}

/** Of connections that are open: one has the same backend as long as it lives. */
const backends = new WeakMap<pg.PoolClient, Backend>();

async function backendOf(client: pg.PoolClient): Promise<Backend> {
  const known = backends.get(client);
  if (known !== undefined) return known;
  const { rows } = await client.query<Backend>(
    `SELECT pid, backend_start::text AS started FROM pg_stat_activity WHERE pid = pg_backend_pid()`,
  );
  const [own] = rows;
  if (own === undefined) throw new Error('pg_stat_activity does not list this connection');
  backends.set(client, own);
  return own;
}

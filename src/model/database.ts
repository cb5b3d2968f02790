import type { Readable, Writable } from 'node:stream';

export type Row = Record<string, unknown>;

export interface QueryOptions {
  /**
   * The connection keeps the statement prepared: for one that comes again and takes longer to plan than to run, as those of every step
   * do. Its text is always the same, and it has `parameters`, if only an empty list. Without effect in serving: a pooler by the
   * transaction may lend it another connection each time.
   */
  readonly isKept?: boolean;
}

export interface Queryable {
  /** Rows of one statement. `bigint` and `numeric` arrive as strings, `timestamptz` and `date` as PostgreSQL's text. */
  query<R = Row>(text: string, parameters?: readonly unknown[], options?: QueryOptions): Promise<R[]>;
  /**
   * Runs one statement and gives the number of rows it touched. Without `parameters` there may be several; with them,
   * an empty list too, PostgreSQL refuses a second one.
   */
  execute(text: string, parameters?: readonly unknown[], options?: QueryOptions): Promise<number>;
}

/** What holds in one transaction only. */
export interface TransactionSettings {
  /** How long a statement waits for a lock. @default for ever */
  readonly lockTimeoutMs?: number;
  /** After how long without a statement PostgreSQL ends the connection: a client that froze must not keep its locks. @default 60000 */
  readonly idleTimeoutMs?: number;
}

/** Type and modifier as in `pg_attribute`; a domain's are those of its base type. */
export interface ResultColumn {
  readonly name: string;
  readonly typeId: number;
  readonly typeModifier: number;
}

export interface RowLists {
  readonly columns: readonly Pick<ResultColumn, 'name' | 'typeId'>[];
  readonly rows: readonly (readonly unknown[])[];
}

/** One pinned connection, so that locks, temporary tables and transactions belong together. */
export interface Session extends Queryable {
  /** The server's process and its start, which together name this connection for `pg_terminate_backend`. */
  readonly pid: number;
  readonly backendStart: string;
  /** The connection is gone, or in a state that nothing more can be asked in. */
  readonly isBroken: boolean;
  /** Streams `source` into `COPY … FROM STDIN`; gives the number of rows. Rejects, and the connection is closed, when `signal` aborts. */
  copyFrom(statement: string, source: Readable, options?: { signal?: AbortSignal }): Promise<number>;
  /** Streams `COPY … TO STDOUT` into `sink` and ends it. Rejects, and the connection is closed, when `signal` aborts. */
  copyTo(statement: string, sink: Writable, options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * Rows of one statement as lists, so that columns of one name are all there. Values as `query` gives them, but JSON, floats
   * and bytes as PostgreSQL's text: JavaScript has not all their digits.
   */
  queryLists(text: string): Promise<RowLists>;
  /** Columns that a SELECT gives. PostgreSQL refuses a second statement. */
  describe(select: string): Promise<ResultColumn[]>;
  /** BEGIN, `work`, COMMIT; ROLLBACK when it throws. Not nested. */
  transaction<T>(work: () => Promise<T>, settings?: TransactionSettings): Promise<T>;
}

/** The warehouse and the metadata. Implemented in `storage/`, so that the stages know SQL but no driver. */
export interface Database extends Queryable {
  /** Lends one connection for as long as `work` runs; a connection that broke is not reused. */
  session<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** `session` with one transaction around `work`. */
  transaction<T>(work: (session: Session) => Promise<T>, settings?: TransactionSettings): Promise<T>;
}

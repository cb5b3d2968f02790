import { createHash } from 'node:crypto';
import type { TerminalError } from '../../errors.js';
import type { Queryable, Session } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import type { Profile } from '../anomaly/find-anomalies.js';
import type { LoadColumn } from '../schema/column.js';
import { contractOf } from '../schema/contract.js';
import type { StreamFacts } from '../singer/stream-facts.js';
import { endFormerWriter } from './end-former-writer.js';
import { LoadFencedError } from './load-fenced-error.js';

/** What `next_row` counts with: a resumed attempt must read the same rows in the same order. */
export interface Reader {
  readonly version: number;
  readonly rows: number;
  readonly dialect: Readonly<Record<string, unknown>>;
  readonly columns: readonly LoadColumn[];
  /** Columns of the file that the table does not get. */
  readonly unwanted?: readonly string[];
  readonly notices: readonly string[];
  /** Of the rows as they were read, where that was counted on the way. */
  readonly profile?: Profile;
  /** See `RowSource`. */
  readonly stream?: StreamFacts;
}

/** Raise when rows are counted, cut or written differently; loads under way then begin anew. */
export const READER_VERSION = 2;

export type LoadStatus = 'loading' | 'staged' | 'published' | 'replaced' | 'failed';

/** One line of plumbline.loads. */
export interface LedgerLine {
  readonly loadId: string;
  readonly unit: string;
  readonly path: string;
  readonly sha256: string;
  readonly generation: number;
  readonly forcedBy: string | null;
  readonly settings: string;
  readonly status: LoadStatus;
  readonly token: string;
  readonly nextChunk: number;
  readonly nextRow: number;
  readonly writerPid: number | null;
  readonly writerBackendStart: string | null;
  readonly reader: Reader | null;
  readonly stageTable: string | null;
  readonly rowsRead: number;
  readonly rowsLoaded: number;
  readonly rowsRejected: number;
  readonly rowsDuplicate: number;
  /** Of persons who are forgotten. */
  readonly rowsForgotten: number;
  /** Read, and left out because their time is not in the interval. */
  readonly rowsOutside: number;
  /** What the load is about, in milliseconds; null where it is no interval, or the path says which. */
  readonly intervalStart: number | null;
  readonly intervalEnd: number | null;
  /** Values that the contract dropped, by column. */
  readonly discarded: Readonly<Record<string, number>>;
}

export interface LoadKey {
  readonly env: string;
  readonly project: string;
  readonly resource: string;
  readonly unit: string;
}

const LINE = `load_id AS "loadId", unit, path, sha256, generation, forced_by AS "forcedBy", settings, status, token,
  next_chunk AS "nextChunk", next_row::float8 AS "nextRow", writer_pid AS "writerPid",
  writer_backend_start AS "writerBackendStart", reader, stage_table AS "stageTable", rows_read::float8 AS "rowsRead",
  rows_loaded::float8 AS "rowsLoaded", rows_rejected::float8 AS "rowsRejected", rows_duplicate::float8 AS "rowsDuplicate", discarded,
  rows_forgotten::float8 AS "rowsForgotten",
  rows_outside::float8 AS "rowsOutside", extract(epoch FROM interval_start)::float8 * 1000 AS "intervalStart",
  extract(epoch FROM interval_end)::float8 * 1000 AS "intervalEnd"`;

/** The newest generation of a unit. */
export async function newestLoad(session: Queryable, key: LoadKey): Promise<LedgerLine | undefined> {
  const rows = await session.query<LedgerLine>(
    `SELECT ${LINE} FROM plumbline.loads WHERE env = $1 AND project = $2 AND resource = $3 AND unit = $4
     ORDER BY generation DESC LIMIT 1`,
    [key.env, key.project, key.resource, key.unit],
  );
  return rows[0];
}

export async function loadsById(session: Queryable, loadIds: readonly string[]): Promise<LedgerLine[]> {
  return session.query<LedgerLine>(`SELECT ${LINE} FROM plumbline.loads WHERE load_id = ANY($1::bigint[])`, [
    [...loadIds],
  ]);
}

/** Adds a line unless that generation is there; two attempts that add it at once get the same line. */
export async function addLoad(
  session: Queryable,
  key: LoadKey,
  line: {
    readonly generation: number;
    readonly path: string;
    readonly sha256: string;
    readonly settings: string;
    readonly stageSchema: string;
    readonly runId: string;
    readonly forced: boolean;
    /** ISO times. */
    readonly interval?: { readonly start: string; readonly end: string } | undefined;
  },
): Promise<void> {
  await session.execute(
    `INSERT INTO plumbline.loads (env, project, resource, unit, generation, forced_by, path, sha256, settings, status, stage_schema, run_id, interval_start, interval_end)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'loading', $10, $11, $12, $13)
     ON CONFLICT (env, project, resource, unit, generation) DO NOTHING`,
    [
      key.env,
      key.project,
      key.resource,
      key.unit,
      line.generation,
      line.forced ? line.runId : null,
      line.path,
      line.sha256,
      line.settings,
      line.stageSchema,
      line.runId,
      line.interval?.start ?? null,
      line.interval?.end ?? null,
    ],
  );
}

/**
 * Makes `session` the only writer of a load: ends the former writer's connection, then raises the token, which every
 * later statement of a former attempt fails against. Gives the new token. Throws LoadFencedError when two take over at once.
 */
export async function takeOver(
  session: Session,
  line: LedgerLine,
  runId: string,
  signal?: AbortSignal,
): Promise<string> {
  if (line.writerPid !== null && line.writerBackendStart !== null)
    await endFormerWriter(session, { pid: line.writerPid, backendStart: line.writerBackendStart }, signal);
  const rows = await session.query<{ token: string }>(
    `UPDATE plumbline.loads SET token = token + 1, writer_pid = $3, writer_backend_start = $4, run_id = $5
     WHERE load_id = $1 AND token = $2 RETURNING token`,
    [line.loadId, line.token, session.pid, session.backendStart, runId],
  );
  const taken = rows[0];
  if (taken === undefined) throw new LoadFencedError(`Load ${line.loadId}`, { loadId: line.loadId });
  return taken.token;
}

/** Forgets the writer after its attempt, so that nobody ends a connection that does other work by then. */
export async function releaseWriter(database: Queryable, loadId: string, token: string): Promise<void> {
  await database.execute(
    'UPDATE plumbline.loads SET writer_pid = NULL, writer_backend_start = NULL WHERE load_id = $1 AND token = $2',
    [loadId, token],
  );
}

/** Ends a load that its object, its settings or the contract made impossible; an attempt that lost it changes nothing. */
export async function giveUpLoad(
  database: Queryable,
  loadId: string,
  token: string,
  { code, message }: TerminalError,
): Promise<void> {
  await database.execute(
    `UPDATE plumbline.loads SET status = 'failed', error = $3 WHERE load_id = $1 AND token = $2 AND status = 'loading'`,
    [loadId, token, JSON.stringify({ code, message })],
  );
}

/** The unit's own settings: a change of any of them makes the next run read the same content anew. */
export function settingsDigest(resource: ResourceConfig): string {
  const settings = [
    resource.format,
    resource.write,
    resource.primaryKey,
    Object.entries(resource.columns).sort(([one], [other]) => (one < other ? -1 : 1)),
    resource.table,
    // Only what is said: a resource without it keeps the digest it had.
    ...(resource.postgres === undefined ? [] : [{ ...resource.postgres, parallel: undefined }, resource.cursor?.field]),
    ...(resource.encoding === undefined && resource.csv === undefined ? [] : [resource.encoding, resource.csv]),
    ...(resource.contract === undefined ? [] : [contractOf(resource)]),
    ...(resource.merge === undefined ? [] : [resource.merge]),
    ...(resource.parse === undefined ? [] : [resource.parse]),
    ...(resource.interval === undefined ? [] : [resource.interval]),
  ];
  return createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, 16);
}

import { createHash } from 'node:crypto';
import type { TerminalError } from '../../errors.js';
import type { Queryable, Session } from '../../model/database.js';
import { jsonb } from '../../model/jsonb.js';
import type { ResourceConfig } from '../../model/project.js';
import type { Profile } from '../anomaly/find-anomalies.js';
import type { LoadColumn } from '../schema/column.js';
import { contractOf } from '../schema/contract.js';
import type { StreamFacts } from '../singer/stream-facts.js';
import { endFormerWriter } from './end-former-writer.js';
import { endStageWriters } from './end-stage-writers.js';
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
  /** Child tables' stages, each after the one it is made of; absent when there are none. */
  readonly children?: readonly ChildStage[];
  /** Of the rows as they were read, where that was counted on the way. */
  readonly profile?: Profile;
  /** See `RowSource`. */
  readonly stream?: StreamFacts;
}

/** The rows that a load brings into a child table. */
export interface ChildStage {
  /** Columns that lead to it: `lines`, `lines.taxes`. */
  readonly path: string;
  /** Name of the child table, by which its stage is found: `a.b` may be one column or two. */
  readonly target: string;
  /** In the stage schema, as long as the load is not published. */
  readonly table: string;
  readonly columns: readonly LoadColumn[];
  readonly rows: number;
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

/** Whose loads; a load's own part of its key is the unit. */
export interface LoadKey {
  readonly env: string;
  readonly project: string;
  readonly resource: string;
}

const LINE = `load_id AS "loadId", unit, path, sha256, generation, forced_by AS "forcedBy", settings, status, token,
  next_chunk AS "nextChunk", next_row::float8 AS "nextRow", writer_pid AS "writerPid",
  writer_backend_start AS "writerBackendStart", reader, stage_table AS "stageTable", rows_read::float8 AS "rowsRead",
  rows_loaded::float8 AS "rowsLoaded", rows_rejected::float8 AS "rowsRejected", rows_duplicate::float8 AS "rowsDuplicate", discarded,
  rows_forgotten::float8 AS "rowsForgotten",
  rows_outside::float8 AS "rowsOutside", extract(epoch FROM interval_start)::float8 * 1000 AS "intervalStart",
  extract(epoch FROM interval_end)::float8 * 1000 AS "intervalEnd"`;

/** The newest generation of each unit that has any. */
export async function newestLoads(
  session: Queryable,
  { env, project, resource }: LoadKey,
  units: readonly string[],
): Promise<Map<string, LedgerLine>> {
  const lines = await session.query<LedgerLine>(
    `SELECT DISTINCT ON (unit) ${LINE} FROM plumbline.loads
     WHERE env = $1 AND project = $2 AND resource = $3 AND unit = ANY($4) ORDER BY unit, generation DESC`,
    [env, project, resource, [...units]],
    { isKept: true },
  );
  return new Map(lines.map((line) => [line.unit, line]));
}

export async function loadsById(session: Queryable, loadIds: readonly string[]): Promise<LedgerLine[]> {
  return session.query<LedgerLine>(
    `SELECT ${LINE} FROM plumbline.loads WHERE load_id = ANY($1::bigint[])`,
    [[...loadIds]],
    { isKept: true },
  );
}

export interface NewLoad {
  readonly unit: string;
  readonly generation: number;
  readonly path: string;
  readonly sha256: string;
  /** ISO times. */
  readonly interval?: { readonly start: string; readonly end: string } | undefined;
}

/**
 * Adds lines whose writer is `session`, in their order, and gives them. A generation that is there stays as it is and is not
 * among them: of two attempts that add it at once, one has it.
 */
export async function addLoads(
  session: Session,
  { env, project, resource }: LoadKey,
  loads: readonly NewLoad[],
  by: {
    readonly settings: string;
    readonly stageSchema: string;
    readonly runId: string;
    readonly forced: boolean;
  },
): Promise<LedgerLine[]> {
  return session.query<LedgerLine>(
    `INSERT INTO plumbline.loads (env, project, resource, unit, generation, path, sha256, interval_start, interval_end, forced_by, settings,
       status, stage_schema, run_id, token, writer_pid, writer_backend_start)
     SELECT $1, $2, $3, unit, generation, path, sha256, (interval->>'start')::timestamptz, (interval->>'end')::timestamptz, $5, $6,
       'loading', $7, $8, 1, $9, $10
     FROM ROWS FROM (jsonb_to_recordset($4) AS (unit text, generation integer, path text, sha256 text, "interval" jsonb))
       WITH ORDINALITY AS l (unit, generation, path, sha256, interval, place) ORDER BY place
     ON CONFLICT (env, project, resource, unit, generation) DO NOTHING RETURNING ${LINE}`,
    [
      env,
      project,
      resource,
      JSON.stringify(loads),
      by.forced ? by.runId : null,
      by.settings,
      by.stageSchema,
      by.runId,
      session.pid,
      session.backendStart,
    ],
    { isKept: true },
  );
}

/** A load and the token of the attempt that writes it. */
export type Held = Pick<LedgerLine, 'loadId' | 'token'>;

/**
 * Makes `session` the only writer of loads: ends the connections of the former writers and those beside them, then raises the tokens, which every
 * later statement of a former attempt fails against. Gives the new tokens. Throws LoadFencedError when two take over at once.
 */
export async function takeOver(
  session: Session,
  lines: readonly LedgerLine[],
  runId: string,
  signal?: AbortSignal,
): Promise<Held[]> {
  const former = new Map(
    lines.flatMap(({ writerPid: pid, writerBackendStart: backendStart }) =>
      pid === null || backendStart === null ? [] : [[`${pid} ${backendStart}`, { pid, backendStart }] as const],
    ),
  );
  for (const writer of former.values()) await endFormerWriter(session, writer, signal);
  await endStageWriters(session, lines.map(({ loadId }) => loadId), signal); // prettier-ignore
  const taken = await session.query<Held>(
    `UPDATE plumbline.loads AS l SET token = l.token + 1, writer_pid = $3, writer_backend_start = $4, run_id = $5
     FROM unnest($1::bigint[], $2::bigint[]) AS held (load_id, token)
     WHERE l.load_id = held.load_id AND l.token = held.token RETURNING l.load_id AS "loadId", l.token`,
    [...heldBy(lines), session.pid, session.backendStart, runId],
  );
  const lost = lines.find(({ loadId }) => !taken.some((one) => one.loadId === loadId));
  if (lost !== undefined) throw new LoadFencedError(`Load ${lost.loadId}`, { loadId: lost.loadId });
  return taken;
}

/** Forgets the writer after its attempt, so that nobody ends a connection that does other work by then. */
export async function releaseWriters(database: Queryable, held: readonly Held[]): Promise<void> {
  await database.execute(
    `UPDATE plumbline.loads AS l SET writer_pid = NULL, writer_backend_start = NULL
     FROM unnest($1::bigint[], $2::bigint[]) AS held (load_id, token) WHERE l.load_id = held.load_id AND l.token = held.token`,
    heldBy(held),
  );
}

/** Loads and tokens as the two parameters of `unnest`. */
export function heldBy(held: readonly Held[]): [string[], string[]] {
  return [held.map(({ loadId }) => loadId), held.map(({ token }) => token)];
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
    [loadId, token, jsonb({ code, message })],
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
    ...(resource.children === undefined ? [] : [{ children: resource.children }]),
    ...(resource.records === undefined ? [] : [{ records: resource.records }]),
    ...(resource.xlsx === undefined ? [] : [{ xlsx: resource.xlsx }]),
  ];
  return createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, 16);
}

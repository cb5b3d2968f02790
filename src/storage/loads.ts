import { hideParameters, hideParametersIn } from '../hide-parameters.js';
import type { Queryable } from '../model/database.js';
import { intervalOfLoad } from '../model/interval-of-load.js';

export interface LoadRow {
  readonly load_id: string;
  readonly resource: string;
  readonly path: string;
  readonly sha256: string;
  readonly generation: number;
  readonly status: 'loading' | 'staged' | 'published' | 'replaced' | 'failed';
  readonly rows_read: number;
  readonly rows_loaded: number;
  readonly rows_rejected: number;
  readonly rows_duplicate: number;
  /** Left out because their time is not in the load's interval. */
  readonly rows_outside: number;
  readonly rows_forgotten: number;
  readonly run_id: string;
  readonly started_at: string;
  readonly published_at: string | null;
}

/** A load with how it was read and why it failed, if it did. */
export interface LoadDetails extends LoadRow {
  readonly reader: LoadReader | null;
  readonly error: Readonly<Record<string, unknown>> | null;
  /** Values that the contract dropped, by column. */
  readonly discarded: Readonly<Record<string, number>>;
}

export interface LoadReader {
  readonly dialect: Readonly<Record<string, unknown>>;
  readonly columns: readonly LoadedColumn[];
  readonly notices: readonly string[];
  /** Rows that it brought into child tables. */
  readonly children?: readonly { readonly path: string; readonly rows: number }[];
}

export interface LoadedColumn {
  readonly name: string;
  readonly type: string;
  readonly header: string;
}

interface Scope {
  readonly env: string;
  readonly project: string;
}

const COLUMNS = `load_id::text, resource, path, sha256, generation, status, rows_read::float8, rows_loaded::float8,
  rows_rejected::float8, rows_duplicate::float8, rows_outside::float8, rows_forgotten::float8, run_id, started_at, published_at`;

/** The newest loads first, of one resource where it is given. */
export async function listLoads(
  database: Queryable,
  { env, project }: Scope,
  { resource, limit }: { readonly resource?: string | undefined; readonly limit: number },
): Promise<LoadRow[]> {
  const loads = await database.query<LoadRow>(
    `SELECT ${COLUMNS} FROM plumbline.loads
     WHERE env = $1 AND project = $2 AND ($3::text IS NULL OR resource = $3) ORDER BY loads.load_id DESC LIMIT $4`,
    [env, project, resource ?? null, limit],
  );
  return loads.map((load) => ({ ...load, path: hideParameters(load.path) }));
}

export async function findLoad(
  database: Queryable,
  { env, project }: Scope,
  loadId: string,
): Promise<LoadDetails | undefined> {
  const [load] = await database.query<LoadDetails>(
    `SELECT ${COLUMNS}, reader, error, discarded FROM plumbline.loads WHERE env = $1 AND project = $2 AND load_id = $3`,
    [env, project, loadId],
  );
  return load === undefined
    ? undefined
    : { ...load, path: hideParameters(load.path), error: hideParametersIn(load.error) };
}

/** What a load is about, as `start/end`; undefined where that is no interval. */
export async function findLoadInterval(
  database: Queryable,
  { env, project }: Scope,
  loadId: string,
): Promise<string | undefined> {
  const [load] = await database.query<{ path: string; unit: string }>(
    'SELECT path, unit FROM plumbline.loads WHERE env = $1 AND project = $2 AND load_id = $3',
    [env, project, loadId],
  );
  const interval = load && intervalOfLoad(load);
  return interval && `${interval.start}/${interval.end}`;
}

export interface LoadPublication {
  readonly version: number;
  readonly table: string;
  readonly write: string;
  readonly row_count: number;
  readonly columns_added: readonly string[];
  readonly types_changed: readonly { readonly column: string; readonly from: string; readonly to: string }[];
  readonly run_id: string;
  readonly published_at: string;
}

/** Versions of the table that the load was applied in, the newest first. */
export function publicationsOf(
  database: Queryable,
  { env, project }: Scope,
  { resource, load_id: loadId }: Pick<LoadRow, 'resource' | 'load_id'>,
): Promise<LoadPublication[]> {
  return database.query<LoadPublication>(
    `SELECT version::float8, table_schema || '.' || table_name AS table, write, row_count::float8, columns_added, types_changed, run_id, published_at
     FROM plumbline.resource_versions WHERE env = $1 AND project = $2 AND resource = $3 AND $4::bigint = ANY(load_ids)
     ORDER BY version DESC`,
    [env, project, resource, loadId],
  );
}

export interface RejectSummary {
  readonly kind: 'rejected' | 'duplicate';
  readonly column_name: string | null;
  readonly reason: string;
  readonly rows: number;
  readonly first_line: number | null;
}

/** Quarantined rows of a load by column and reason, the most frequent first; numbers in a reason count as one. */
export function rejectsByReason(database: Queryable, loadId: string): Promise<RejectSummary[]> {
  return database.query<RejectSummary>(
    `SELECT kind, column_name, min(reason) AS reason, count(*)::float8 AS rows, min(line)::float8 AS first_line
     FROM plumbline.rejects WHERE load_id = $1
     GROUP BY kind, column_name, regexp_replace(reason, '[0-9]+', 'N', 'g') ORDER BY kind DESC, rows DESC, 3 LIMIT 20`,
    [loadId],
  );
}

export interface RejectRetry {
  readonly run_id: string;
  readonly file_sha256: string | null;
  readonly rows_accepted: number;
  readonly rows_rejected: number;
  readonly rows_duplicate: number;
  readonly retried_at: string;
}

export function retriesOf(database: Queryable, loadId: string): Promise<RejectRetry[]> {
  return database.query<RejectRetry>(
    `SELECT run_id, file_sha256, rows_accepted::float8, rows_rejected::float8, rows_duplicate::float8, retried_at
     FROM plumbline.reject_retries WHERE load_id = $1 ORDER BY retry_id`,
    [loadId],
  );
}

export interface RejectRow {
  readonly load_id: string;
  readonly resource: string;
  readonly kind: 'rejected' | 'duplicate';
  readonly file: string;
  readonly row_number: number;
  readonly line: number | null;
  readonly column_name: string | null;
  readonly value: string | null;
  readonly reason: string;
  readonly raw: string | null;
}

const PAGE_ROWS = 1_000;

/**
 * Quarantined rows, those of the newest load first, in the order of their file; read page by page, so that any number fits into memory.
 * Without `loadId` only of loads whose rows count: not of those that a later one took the place of.
 */
export async function* readRejects(
  database: Queryable,
  { env, project }: Scope,
  { resource, loadId, kind }: { readonly resource?: string; readonly loadId?: string; readonly kind?: 'rejected' },
): AsyncGenerator<RejectRow> {
  for (let last: RejectRow | undefined; ;) {
    const page: RejectRow[] = await database.query<RejectRow>(
      `SELECT r.load_id::text, l.resource, r.kind, r.file, r.row_number::float8, r.line::float8, r.column_name, r.value, r.reason, r.raw
       FROM plumbline.rejects r JOIN plumbline.loads l USING (load_id)
       WHERE l.env = $1 AND l.project = $2 AND ($3::text IS NULL OR l.resource = $3)
         AND CASE WHEN $4::bigint IS NULL THEN l.status <> 'replaced' ELSE r.load_id = $4 END
         AND ($5::text IS NULL OR r.kind = $5)
         AND ($6::bigint IS NULL OR (-r.load_id, r.row_number) > (-$6::bigint, $7::bigint))
       ORDER BY -r.load_id, r.row_number LIMIT ${PAGE_ROWS}`,
      [env, project, resource ?? null, loadId ?? null, kind ?? null, last?.load_id ?? null, last?.row_number ?? null],
    );
    yield* page.map((row) => ({ ...row, file: hideParameters(row.file) }));
    last = page.at(-1);
    if (page.length < PAGE_ROWS) return;
  }
}

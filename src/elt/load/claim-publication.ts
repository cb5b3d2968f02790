import type { Queryable, Session } from '../../model/database.js';
import type { Profile } from '../anomaly/find-anomalies.js';
import type { ColumnType } from '../../model/project.js';
import type { LoadColumn } from '../schema/column.js';
import { endFormerWriter } from './end-former-writer.js';
import { LoadFencedError } from './load-fenced-error.js';

export interface ResourceKey {
  readonly env: string;
  readonly project: string;
  readonly resource: string;
}

/** The right to publish a resource, until somebody claims it anew. */
export interface Publication extends ResourceKey {
  readonly token: string;
  /** What is published now; 0 before the first time. */
  readonly version: number;
}

/** Makes this attempt the only one that may publish: ends the former one's connection, then raises the token. */
export async function claimPublication(session: Session, key: ResourceKey, signal?: AbortSignal): Promise<Publication> {
  const values = [key.env, key.project, key.resource];
  const claim = (of: string, ...more: readonly unknown[]): Promise<Omit<Publication, keyof ResourceKey>[]> =>
    session.query(
      `UPDATE plumbline.resources SET token = token + 1, writer_pid = $4, writer_backend_start = $5
       ${WHERE} AND ${of} RETURNING token, version::float8 AS version`,
      [...values, session.pid, session.backendStart, ...more],
      { isKept: true },
    );
  // Nearly every attempt finds that the one before has ended by itself. A line that a frozen attempt has changed still names its writer.
  const [free] = await claim('writer_pid IS NULL');
  if (free !== undefined) return { ...key, ...free };
  const read = () =>
    session.query<{ token: string; pid: number | null; started: string | null }>(
      `SELECT token, writer_pid AS pid, writer_backend_start AS started FROM plumbline.resources ${WHERE}`,
      values,
    );
  let [former] = await read();
  if (former === undefined) {
    // Only when there is none: over a line that a frozen attempt has changed, ON CONFLICT would wait for that attempt.
    await session.execute(
      'INSERT INTO plumbline.resources (env, project, resource) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
      values,
    );
    [former] = await read();
  }
  if (former?.pid != null && former.started != null)
    await endFormerWriter(session, { pid: former.pid, backendStart: former.started }, signal);
  const [claimed] = await claim('token = $6', former?.token);
  if (claimed === undefined) throw new LoadFencedError(`Publication of ${key.resource}`, { resource: key.resource });
  return { ...key, ...claimed };
}

/** Throws LoadFencedError when another attempt has claimed it since; else nobody does before the transaction ends. */
export async function assertPublication(
  session: Session,
  { env, project, resource, token }: Publication,
): Promise<void> {
  const held = await session.query(`SELECT 1 FROM plumbline.resources ${WHERE} AND token = $4 FOR NO KEY UPDATE`, [
    env,
    project,
    resource,
    token,
  ]);
  if (held.length === 0) throw new LoadFencedError(`Publication of ${resource}`, { resource });
}

/** For an attempt that ends without having published. */
export async function releasePublication(database: Queryable, publication: Publication): Promise<void> {
  await database.execute(
    `UPDATE plumbline.resources SET writer_pid = NULL, writer_backend_start = NULL ${WHERE} AND token = $4`,
    [publication.env, publication.project, publication.resource, publication.token],
  );
}

export interface PublishedVersion {
  readonly version: number;
  readonly loadIds: readonly string[];
  readonly rows: number;
  readonly columnsAdded: readonly string[];
  readonly typesChanged: readonly TypeChange[];
}

/** Of a column of the published table. */
export interface TypeChange {
  readonly column: string;
  readonly from: ColumnType;
  readonly to: ColumnType;
}

export async function publishedVersion(
  session: Queryable,
  publication: Publication,
): Promise<PublishedVersion | undefined> {
  const rows = await session.query<PublishedVersion>(
    `SELECT version::float8 AS version, load_ids::text[] AS "loadIds", row_count::float8 AS rows, columns_added AS "columnsAdded",
       types_changed AS "typesChanged"
     FROM plumbline.resource_versions ${WHERE} AND version = $4`,
    [publication.env, publication.project, publication.resource, publication.version],
    { isKept: true },
  );
  return rows[0];
}

export interface PublicationMark {
  readonly runId: string;
  readonly write: string;
  /** Column by whose time the table's rows were chosen for their intervals. */
  readonly intervalColumn?: string;
  readonly table: { readonly schema: string; readonly name: string };
  /** All loads that the publication is about, in their order. */
  readonly loadIds: readonly string[];
  /** Those of them that were staged until now. */
  readonly stagedIds: readonly string[];
  /** Published loads whose rows are no longer there. */
  readonly displacedIds: readonly string[];
  readonly columns: readonly LoadColumn[];
  readonly columnsAdded: readonly string[];
  readonly typesChanged: readonly TypeChange[];
  readonly rows: number;
  /** What later publications are compared with. */
  readonly profile?: Profile;
  /** The same of what came in, where the table as a whole is not compared. */
  readonly batches?: readonly Profile[];
  /** It is an anomaly, and a person wants it all the same. */
  readonly isAnomalyAccepted?: boolean;
}

/**
 * Records a publication, in the transaction that makes the rows visible, and forgets its writer, which has nothing more to write then.
 * Compare-and-set on token and version, so that of two attempts one commits; throws LoadFencedError in the other, or when a load is not
 * staged any more.
 */
export async function markPublished(
  session: Session,
  publication: Publication,
  mark: PublicationMark,
): Promise<number> {
  const [marked] = await session.query<{ version: number | null; loads: number }>(
    `WITH changed AS (
       UPDATE plumbline.resources SET version = version + 1, writer_pid = NULL, writer_backend_start = NULL
       ${WHERE} AND token = $4 AND version = $5 RETURNING version),
     published AS (
       UPDATE plumbline.loads SET status = 'published', published_at = now(), stage_table = NULL
       WHERE load_id = ANY($6::bigint[]) AND status = 'staged' RETURNING 1),
     displaced AS (
       UPDATE plumbline.loads SET status = 'replaced' WHERE load_id = ANY($7::bigint[]) AND status = 'published'),
     recorded AS (
       INSERT INTO plumbline.resource_versions
         (env, project, resource, version, write, table_schema, table_name, load_ids, columns, columns_added, types_changed, row_count, run_id,
           profile, batches, anomaly_accepted, interval_column)
       SELECT $1, $2, $3, version, $8, $9, $10, $11::bigint[], $12::jsonb, $13::text[], $14::jsonb, $15::bigint, $16, $17::jsonb, $18::jsonb, $19::boolean, $20
       FROM changed)
     SELECT (SELECT version::float8 FROM changed) AS version, (SELECT count(*)::float8 FROM published) AS loads`,
    [
      publication.env,
      publication.project,
      publication.resource,
      publication.token,
      publication.version,
      [...mark.stagedIds],
      [...mark.displacedIds],
      mark.write,
      mark.table.schema,
      mark.table.name,
      [...mark.loadIds],
      JSON.stringify(mark.columns),
      [...mark.columnsAdded],
      JSON.stringify(mark.typesChanged),
      mark.rows,
      mark.runId,
      mark.profile === undefined ? null : JSON.stringify(mark.profile),
      mark.batches === undefined ? null : JSON.stringify(mark.batches),
      mark.isAnomalyAccepted ?? false,
      mark.intervalColumn ?? null,
    ],
    { isKept: true },
  );
  if (marked === undefined || marked.version === null || marked.loads !== mark.stagedIds.length)
    throw new LoadFencedError(`Publication of ${publication.resource}`, { resource: publication.resource });
  return marked.version;
}

const WHERE = 'WHERE env = $1 AND project = $2 AND resource = $3';

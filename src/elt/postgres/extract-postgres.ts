import { createHash } from 'node:crypto';
import type { DataInterval } from '../../model/data-interval.js';
import type { Database } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { cancelOnAbort } from '../../model/cancel-on-abort.js';
import { readCursor } from '../cursor/cursor-state.js';
import { cursorBefore } from '../cursor/cursor-value.js';
import { settingsDigest } from '../load/ledger.js';
import { rangeEnd } from './cursor-range.js';
import { describeSource, relationOf } from './describe-source.js';
import { findRelation } from './find-relation.js';
import type { SourceObject } from './load-postgres.js';
import { inSourceSnapshot, sourcePosition } from './source-session.js';

export interface PostgresExtractOptions {
  readonly database: Database;
  readonly source: Database;
  /** The source in messages. */
  readonly sourceName: string;
  readonly env: string;
  readonly project: string;
  readonly resource: ResourceConfig;
  readonly runId: string;
  /** Asks from the cursor's initial value on, whatever its state. @default false */
  readonly full?: boolean;
  /** What is read, of a resource that is read by interval. */
  readonly interval?: DataInterval;
  readonly signal?: AbortSignal;
}

export interface PostgresExtract {
  /** Of a cursor, which moves when the rows are published. */
  readonly extractId?: string;
  readonly objects: readonly SourceObject[];
}

/**
 * Says what is to be read, once for all attempts: the table or query, and of a cursor the range from its state, less
 * the lag, to the greatest value that is there now; or the rows of an interval. Reads no rows. A line in plumbline.extracts keeps it.
 *
 * Where the source can tell that nothing has changed since the published load, the object is named by that load's
 * content; else by what is asked and when. Terminal: `ELT_PG_…`, `ELT_COLUMN_UNKNOWN`. Transient: `ELT_PG_UNREACHABLE`, `ELT_PG_BUSY`.
 */
export async function extractPostgres(options: PostgresExtractOptions): Promise<PostgresExtract> {
  const { database, source, resource, env, project, runId, signal } = options;
  const range = await rangeStart(options);
  const relation = relationOf(resource);
  const found = relation === undefined ? undefined : await findRelation(source, resource, options.sourceName);
  const { position, to } = await source.session((session) =>
    cancelOnAbort(source, session, signal, () =>
      inSourceSnapshot(session, { schema: resource.postgres!.schema }, async () => {
        const description = await describeSource(session, resource, found);
        return {
          position: description.isStable ? await sourcePosition(session) : undefined,
          to: await rangeEnd(session, description, range.from),
        };
      }),
    ),
  );
  // A transaction that is yet to come was one of another server: its state says nothing of this one.
  const isForeign =
    resource.cursor?.byTransaction === true && range.from !== undefined && BigInt(range.from) > BigInt(to!);
  const { state, from } = isForeign ? {} : range;
  const bounds = {
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  };
  const { interval } = resource.interval === undefined ? {} : options;
  const unit = interval === undefined ? unitOf(resource, bounds) : `interval ${interval.start}/${interval.end}`;
  const [added] = await database.query<{ extractId: string }>(
    `INSERT INTO plumbline.extracts (env, project, resource, unit, settings, run_id, cursor_from, cursor_to, completed_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now()) RETURNING extract_id AS "extractId"`,
    [env, project, resource.id, unit, settingsDigest(resource), runId, state ?? null, to ?? null],
  );
  const { extractId } = added!;
  const path = unit === 'all' ? resource.path : `${resource.path} ${unit}`;
  const unchanged = resource.cursor === undefined ? await publishedAt(options, position, interval) : undefined;
  const sha256 = unchanged ?? digest([path, position ?? `extract ${extractId}`]);
  const of = interval === undefined ? {} : { interval: { start: interval.start, end: interval.end } };
  const object = { path, sha256, bytes: 0, isUnchanged: unchanged !== undefined, extractId, ...bounds, ...of };
  return { ...(resource.cursor !== undefined && { extractId }), objects: [object] };
}

/** The cursor's state, unless everything is asked for, and where it is asked from. */
async function rangeStart({
  database,
  env,
  project,
  resource: { id, cursor },
  full,
}: PostgresExtractOptions): Promise<CursorStart> {
  if (cursor === undefined) return {};
  const state = full === true ? undefined : await readCursor(database, { env, project, resource: id }, cursor);
  const from = state === undefined ? cursor.initial : cursorBefore(cursor, state);
  return { ...(state !== undefined && { state }), ...(from !== undefined && { from }) };
}

interface CursorStart {
  readonly state?: string;
  readonly from?: string;
}

function unitOf({ cursor }: ResourceConfig, { from, to }: { from?: string; to?: string }): string {
  if (cursor === undefined) return 'all';
  return `${cursor.field}${from === undefined ? '' : ` from ${from}`}${to === undefined ? '' : ` to ${to}`}`;
}

/** The content of the published load, of the interval if there is one, when it was read at the same position. */
async function publishedAt(
  { database, env, project, resource }: PostgresExtractOptions,
  position: string | undefined,
  interval: DataInterval | undefined,
): Promise<string | undefined> {
  if (position === undefined) return undefined;
  const [newest] = await database.query<{ sha256: string; settings: string; position: string | null }>(
    `SELECT sha256, settings, reader -> 'dialect' ->> 'position' AS position FROM plumbline.loads
     WHERE env = $1 AND project = $2 AND resource = $3 AND status = 'published'
       AND interval_start IS NOT DISTINCT FROM $4::timestamptz AND interval_end IS NOT DISTINCT FROM $5::timestamptz ORDER BY load_id DESC LIMIT 1`,
    [env, project, resource.id, interval?.start ?? null, interval?.end ?? null],
  );
  const isSame = newest?.position === position && newest.settings === settingsDigest(resource);
  return isSame ? newest.sha256 : undefined;
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

import { createHash } from 'node:crypto';
import { TransientError } from '../../errors.js';
import type { Database, Queryable, Session } from '../../model/database.js';
import type { CursorConfig, ResourceConfig } from '../../model/project.js';
import { takenOut } from '../forget/redact-record.js';
import { laterCursor, notAfter } from '../cursor/cursor-value.js';
import { statedJson, type StatedColumns } from './stated-columns.js';

export interface ExtractKey {
  readonly env: string;
  readonly project: string;
  readonly resource: string;
  /** What is asked for: `all`, or from which cursor on. */
  readonly unit: string;
  readonly settings: string;
  /** The cursor's state that the unit begins from; null where everything is asked for. */
  readonly cursorFrom: string | null;
}

/** One line of plumbline.extracts with its pages. */
export interface ExtractState {
  readonly extractId: string;
  readonly isComplete: boolean;
  /** In their order. */
  readonly pages: readonly LandedPage[];
}

/** One line of plumbline.raw_pages. */
export interface LandedPage {
  /** Place of the row that it was asked for, from 1; 0 or absent where it was asked for none. */
  readonly parent?: number;
  /** 404 or 410 where the server has nothing for that row. */
  readonly missing?: number | null;
  readonly page: number;
  readonly url: string;
  /** What was sent by POST, JSON text without secrets; read by nobody but people. */
  readonly body?: string | undefined;
  /** Of the records, one a line; null without records. */
  readonly sha256: string | null;
  readonly bytes: number;
  readonly rows: number;
  readonly nextUrl: string | null;
  /** What leads to the next page, as JSON text, where that stands in the body. */
  readonly nextAt?: string | null;
  readonly etag: string | null;
  readonly lastModified: string | null;
  /** The greatest cursor of its rows, as the source writes it. */
  readonly cursorMax: string | null;
  /** Rows whose cursor is null, or no value of its type. */
  readonly cursorMissing: number;
}

/** Older pages and the rest of a listing would not belong together; a token may have run out. */
const RESUME_HOURS = 6;

/**
 * The extract to go on with: this run's own of the same unit, complete or not, which may have been landed ahead with those of other
 * intervals; or the newest one, of the same unit too, that stopped in the last hours, whichever run began it. Else a new one.
 * `isForced` takes none of another run. So does `isAhead`, which holds no lease: the other run may be at work. Nor does another run
 * take what is landed ahead, as long as its own has not. One that lost its way with a person who was forgotten is not gone on with.
 */
export async function beginExtract(
  database: Database,
  key: ExtractKey,
  runId: string,
  { isForced = false, isAhead = false }: { readonly isForced?: boolean; readonly isAhead?: boolean },
): Promise<ExtractState> {
  const values = [key.env, key.project, key.resource];
  const [newest] = await database.query<Omit<ExtractState, 'pages'>>(
    `SELECT extract_id AS "extractId", completed_at IS NOT NULL AS "isComplete" FROM (
       SELECT * FROM plumbline.extracts WHERE run_id = $6
       UNION ALL (SELECT * FROM plumbline.extracts WHERE env = $1 AND project = $2 AND resource = $3 ORDER BY extract_id DESC LIMIT 1)) AS e
     WHERE env = $1 AND project = $2 AND resource = $3 AND unit = $4 AND settings = $5
       AND (completed_at IS NOT NULL OR NOT EXISTS (SELECT FROM plumbline.raw_pages p WHERE p.extract_id = e.extract_id AND $8 IN (p.next_url, p.next_at)))
       AND (run_id = $6 OR (NOT $7 AND NOT landed_ahead AND completed_at IS NULL AND now() - ${RESUME_HOURS} * interval '1 hour' <
         (SELECT coalesce(max(fetched_at), e.started_at) FROM plumbline.raw_pages p WHERE p.extract_id = e.extract_id)))
     ORDER BY run_id = $6 DESC, extract_id DESC LIMIT 1`,
    [...values, key.unit, key.settings, runId, isForced || isAhead, takenOut],
  );
  if (newest !== undefined) {
    await database.execute(
      `UPDATE plumbline.extracts SET run_id = $2, landed_ahead = $3, futile_attempts = CASE run_id WHEN $2 THEN futile_attempts ELSE 0 END
       WHERE extract_id = $1`,
      [newest.extractId, runId, isAhead],
    );
    return { ...newest, pages: await pagesOf(database, newest.extractId) };
  }
  const [added] = await database.query<{ extractId: string }>(
    `INSERT INTO plumbline.extracts (env, project, resource, unit, settings, run_id, cursor_from, landed_ahead)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING extract_id AS "extractId"`,
    [...values, key.unit, key.settings, runId, key.cursorFrom, isAhead],
  );
  return { extractId: added!.extractId, isComplete: false, pages: [] };
}

const STARTED_MS = 'floor(extract(epoch FROM started_at) * 1000)::float8 AS "startedMs"';

/**
 * Adds a page to the manifest and, with the last one, marks the extract as complete. Throws `ELT_LOAD_FENCED` (transient)
 * when another attempt was first with this page.
 */
export async function addPage(
  database: Database,
  extractId: string,
  page: LandedPage,
  fetchedAt: Date,
  isLast = page.nextUrl === null,
): Promise<void> {
  await database.transaction(async (session) => {
    await insertPage(session, extractId, page, fetchedAt);
    if (isLast)
      await session.execute('UPDATE plumbline.extracts SET completed_at = now() WHERE extract_id = $1', [extractId]);
  });
}

/** One line of the manifest. Throws `ELT_LOAD_FENCED` (transient) when another attempt was first with this page. */
export async function insertPage(
  session: Session,
  extractId: string,
  page: LandedPage,
  fetchedAt: Date,
  stated: { readonly checkpoint?: string | null; readonly columns?: StatedColumns } = {},
): Promise<void> {
  const added = await session.execute(
    `INSERT INTO plumbline.raw_pages (extract_id, page, url, fetched_at, sha256, bytes, row_count, next_url, etag, last_modified,
       cursor_max, cursor_missing, checkpoint, columns, parent, http_status, body, next_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT DO NOTHING`,
    [
      extractId,
      page.page,
      page.url,
      fetchedAt.toISOString(),
      page.sha256,
      page.bytes,
      page.rows,
      page.nextUrl,
      page.etag,
      page.lastModified,
      page.cursorMax,
      page.cursorMissing,
      stated.checkpoint ?? null,
      stated.columns === undefined ? null : statedJson(stated.columns),
      page.parent ?? 0,
      page.missing ?? null,
      page.body ?? null,
      page.nextAt ?? null,
    ],
  );
  if (added !== 1)
    throw new TransientError('ELT_LOAD_FENCED', `Page ${page.page} of extract ${extractId} was landed by another attempt; this one ends without effect.`, {
      details: { extractId, page: page.page },
      next: 'Nothing: the step is tried again.',
    }); // prettier-ignore
}

export async function pagesOf(database: Queryable, extractId: string): Promise<LandedPage[]> {
  return database.query<LandedPage>(
    `SELECT parent, page, http_status AS missing, url, sha256, bytes::float8 AS bytes, row_count::float8 AS rows, next_url AS "nextUrl",
       next_at AS "nextAt", etag,
       last_modified AS "lastModified", cursor_max AS "cursorMax", cursor_missing::float8 AS "cursorMissing"
     FROM plumbline.raw_pages WHERE extract_id = $1 ORDER BY parent, page`,
    [extractId],
  );
}

export interface LandedExtract {
  readonly pages: number;
  /** Of a source that is asked for rows of a table one by one: how many, and for how many of them the server has nothing. */
  readonly parents?: { readonly asked: number; readonly missing: number };
  /** The cursor's state that it began from; undefined when there was none, or everything was asked for. */
  readonly cursorFrom?: string;
  /** What the state becomes with the rows' publication; undefined when no row says. */
  readonly cursorTo?: string;
  /** Rows whose cursor is null, or no value of its type. */
  readonly cursorMissing: number;
  /** Of a source that says by itself where to go on from; JSON text. */
  readonly checkpoint?: string;
}

/** What an extract was, for the publication of its load. */
export async function landedExtract(
  database: Queryable,
  extractId: string,
  cursor: CursorConfig | undefined,
): Promise<LandedExtract> {
  const pages = await pagesOf(database, extractId);
  const checkpoint = await lastCheckpoint(database, extractId);
  const [line] = await database.query<{ from: string | null; to: string | null; missing: number; startedMs: number }>(
    `SELECT cursor_from AS "from", cursor_to AS "to", cursor_missing::float8 AS missing, ${STARTED_MS} FROM plumbline.extracts WHERE extract_id = $1`,
    [extractId],
  );
  const max = cursor === undefined ? null : pages.reduce<string | null>((one, { cursorMax }) => laterCursor(cursor.type, one, cursorMax), line?.to ?? null); // prettier-ignore
  const parents = new Set(pages.flatMap(({ parent = 0 }) => (parent === 0 ? [] : [parent])));
  const missing = pages.filter((page) => page.missing != null).length;
  return {
    pages: pages.length,
    ...(parents.size === 0 ? {} : { parents: { asked: parents.size, missing } }),
    ...(line?.from == null ? {} : { cursorFrom: line.from }),
    ...(max === null ? {} : { cursorTo: notAfter(cursor!, max, new Date(line!.startedMs)) }),
    cursorMissing: pages.reduce((sum, { cursorMissing }) => sum + cursorMissing, line?.missing ?? 0),
    ...(checkpoint === undefined ? {} : { checkpoint }),
  };
}

/** What stands for the rows of an extract so far, as JSON text; undefined before its first checkpoint. */
export async function lastCheckpoint(database: Queryable, extractId: string): Promise<string | undefined> {
  const [last] = await database.query<{ checkpoint: string }>(
    `SELECT checkpoint FROM plumbline.raw_pages WHERE extract_id = $1 AND checkpoint IS NOT NULL ORDER BY page DESC LIMIT 1`,
    [extractId],
  );
  return last?.checkpoint;
}

/** The only page of the newest complete extract of the unit, for a conditional request. */
export async function formerPage(database: Queryable, key: ExtractKey): Promise<LandedPage | undefined> {
  const [former] = await database.query<{ extractId: string }>(
    `SELECT extract_id AS "extractId" FROM plumbline.extracts
     WHERE env = $1 AND project = $2 AND resource = $3 AND unit = $4 AND settings = $5 AND completed_at IS NOT NULL
     ORDER BY extract_id DESC LIMIT 1`,
    [key.env, key.project, key.resource, key.unit, key.settings],
  );
  const pages = former === undefined ? [] : await pagesOf(database, former.extractId);
  return pages.length === 1 ? pages[0] : undefined;
}

/** Changes when the same URL could have another answer, or the answer be read in another way. */
export function requestDigest({ path, http, cursor }: ResourceConfig): string {
  const { intervalMs: _interval, forEach, ...asked } = http!;
  const { parallel: _parallel, ...each } = forEach ?? {};
  return createHash('sha256')
    .update(JSON.stringify([path, forEach === undefined ? asked : { ...asked, each }, cursor?.field, cursor?.type]))
    .digest('hex')
    .slice(0, 16);
}

import { createHash } from 'node:crypto';
import { TransientError } from '../../errors.js';
import type { Database, Queryable } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';

export interface ExtractKey {
  readonly env: string;
  readonly project: string;
  readonly resource: string;
  /** What is asked for: `all`. */
  readonly unit: string;
  readonly settings: string;
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
  readonly page: number;
  readonly url: string;
  /** Of the records, one a line; null without records. */
  readonly sha256: string | null;
  readonly bytes: number;
  readonly rows: number;
  readonly nextUrl: string | null;
  readonly etag: string | null;
  readonly lastModified: string | null;
}

/** Older pages and the rest of a listing would not belong together; a token may have run out. */
const RESUME_HOURS = 6;

/**
 * The extract to go on with: one of the same unit that stopped in the last hours, whichever run began it, or the one
 * that this run completed. Else a new one. `isForced` takes none of another run.
 */
export async function beginExtract(
  database: Database,
  key: ExtractKey,
  runId: string,
  isForced: boolean,
): Promise<ExtractState> {
  const values = [key.env, key.project, key.resource];
  const [newest] = await database.query<{ extractId: string; isComplete: boolean }>(
    `SELECT extract_id AS "extractId", completed_at IS NOT NULL AS "isComplete" FROM (
       SELECT * FROM plumbline.extracts WHERE env = $1 AND project = $2 AND resource = $3 ORDER BY extract_id DESC LIMIT 1) AS e
     WHERE unit = $4 AND settings = $5 AND (run_id = $6 OR (NOT $7 AND completed_at IS NULL AND now() - ${RESUME_HOURS} * interval '1 hour' <
       (SELECT coalesce(max(fetched_at), e.started_at) FROM plumbline.raw_pages p WHERE p.extract_id = e.extract_id)))`,
    [...values, key.unit, key.settings, runId, isForced],
  );
  if (newest !== undefined) {
    await database.execute('UPDATE plumbline.extracts SET run_id = $2 WHERE extract_id = $1', [
      newest.extractId,
      runId,
    ]);
    return { ...newest, pages: await pagesOf(database, newest.extractId) };
  }
  const [added] = await database.query<{ extractId: string }>(
    `INSERT INTO plumbline.extracts (env, project, resource, unit, settings, run_id) VALUES ($1, $2, $3, $4, $5, $6)
     RETURNING extract_id AS "extractId"`,
    [...values, key.unit, key.settings, runId],
  );
  return { extractId: added!.extractId, isComplete: false, pages: [] };
}

/**
 * Adds a page to the manifest and, with the last one, marks the extract as complete. Throws `ELT_LOAD_FENCED` (transient)
 * when another attempt was first with this page.
 */
export async function addPage(database: Database, extractId: string, page: LandedPage, fetchedAt: Date): Promise<void> {
  await database.transaction(async (session) => {
    const added = await session.execute(
      `INSERT INTO plumbline.raw_pages (extract_id, page, url, fetched_at, sha256, bytes, row_count, next_url, etag, last_modified)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
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
      ],
    );
    if (added !== 1)
      throw new TransientError('ELT_LOAD_FENCED', `Page ${page.page} of extract ${extractId} was landed by another attempt; this one ends without effect.`, {
        details: { extractId, page: page.page },
        next: 'Nothing: the step is tried again.',
      }); // prettier-ignore
    if (page.nextUrl === null)
      await session.execute('UPDATE plumbline.extracts SET completed_at = now() WHERE extract_id = $1', [extractId]);
  });
}

export async function pagesOf(database: Queryable, extractId: string): Promise<LandedPage[]> {
  return database.query<LandedPage>(
    `SELECT page, url, sha256, bytes::float8 AS bytes, row_count::float8 AS rows, next_url AS "nextUrl", etag,
       last_modified AS "lastModified"
     FROM plumbline.raw_pages WHERE extract_id = $1 ORDER BY page`,
    [extractId],
  );
}

/** What an extract was, for the record of its load. */
export async function extractSummary(database: Queryable, extractId: string): Promise<{ readonly pages: number }> {
  const [counted] = await database.query<{ pages: number }>(
    'SELECT count(*)::int AS pages FROM plumbline.raw_pages WHERE extract_id = $1',
    [extractId],
  );
  return { pages: counted?.pages ?? 0 };
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
export function requestDigest({ path, http }: ResourceConfig): string {
  const { intervalMs: _interval, ...asked } = http!;
  return createHash('sha256')
    .update(JSON.stringify([path, asked]))
    .digest('hex')
    .slice(0, 16);
}

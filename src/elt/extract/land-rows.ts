import { createHash } from 'node:crypto';
import { TerminalError, TransientError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import type { ArtifactRef, ArtifactStore } from '../../model/artifact.js';
import type { Database } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { readCheckpoint } from '../cursor/checkpoint-state.js';
import type { ExtractedObject } from '../load/load-result.js';
import { addRawObject } from './add-raw-object.js';
import { combinePages } from './combine-pages.js';
import { beginExtract, insertPage, lastCheckpoint, pagesOf } from './extract-progress.js';
import { completeExtract, type StatedColumns } from './stated-columns.js';
import { plural } from '../../model/plural.js';

export interface LandingOptions {
  readonly database: Database;
  readonly store: ArtifactStore;
  readonly env: string;
  readonly project: string;
  readonly resource: Pick<ResourceConfig, 'id' | 'source' | 'write' | 'at'>;
  readonly runId: string;
  /** Where the rows come from, for the manifest and for messages: `sources/github.py issues`. Without secrets. */
  readonly origin: string;
  /** Digest of what makes the rows: code and settings. Another one begins anew. */
  readonly settings: string;
  /** Begins anew, whatever another run has landed. @default false */
  readonly force?: boolean;
  /** Begins without a checkpoint; the one that is there stays until the rows are published. @default false */
  readonly full?: boolean;
  readonly onProgress?: (progress: LandingProgress) => void;
  /** @default 8 MiB */
  readonly pageBytes?: number;
  /** Least time between two landings: a source may checkpoint after every row. @default 1000 */
  readonly landEveryMs?: number;
  /** @default 64 KiB */
  readonly maxCheckpointBytes?: number;
}

export interface LandingProgress {
  readonly pages: number;
  readonly rows: number;
  readonly bytes: number;
  /** The newest one, shortened. */
  readonly checkpoint?: string;
}

/** Rows of one resource on their way into the landing zone. */
export interface Landing {
  readonly extractId: string;
  /** Everything is there: this run has landed it before. */
  readonly isComplete: boolean;
  /** Where the source goes on from, as JSON text; undefined: from its beginning. */
  readonly checkpoint: string | undefined;
  /** Takes one row, a JSON object on one line. */
  addRow(row: Buffer): void | Promise<void>;
  /** Takes a line that is no row and lands in its place among them. */
  addNote(line: Buffer): void;
  /** Takes a line that is no row and begins each page from here on; where it changes, it lands among the rows, too. */
  setHead(line: Buffer): void;
  /** Takes what the source says of its columns' types so far; null: that it says none. */
  setColumns(columns: StatedColumns): void;
  /** Takes what stands for all rows so far, as JSON text. */
  addCheckpoint(checkpoint: string): Promise<void>;
  /**
   * Lands what a source that failed has given up to its last checkpoint, for the next attempt to go on behind. Gives how many attempts of this run
   * have failed in a row without a new checkpoint, this one included; 0 when it has one.
   */
  keep(): Promise<number>;
  /**
   * Lands the rest; there are no more rows. With `withHead` the head lands also when nothing else did, so that a table can be made of it.
   */
  complete(options?: { readonly withHead?: boolean }): Promise<LandedRows>;
}

export interface LandedRows {
  readonly extractId: string;
  readonly objects: readonly ExtractedObject[];
  readonly pages: number;
  readonly rows: number;
}

const PAGE_BYTES = 8 << 20;
const MAX_CHECKPOINT_BYTES = 64 << 10;

/**
 * Opens the landing of a resource whose source says by itself where to go on from. Rows become pages in the artifact
 * store; a page is in plumbline.raw_pages only with a checkpoint behind it (or at the end), all pages since the one
 * before in one transaction. So a killed attempt leaves rows and checkpoint that belong together, and the next one,
 * of whichever run, goes on there. The checkpoint becomes the resource's own with the publication of the rows.
 *
 * Begins without a checkpoint: the first load, `full`, and every load of `write: replace`, whose rows are all there are.
 *
 * Terminal: `ELT_CHECKPOINT_INVALID`, `ELT_CHECKPOINT_MISSING`. Transient, a retry goes on: `ELT_LOAD_FENCED`.
 */
export async function openLanding(options: LandingOptions): Promise<Landing> {
  const { database, env, project, resource, runId, settings, full } = options;
  const former =
    full === true || resource.write === 'replace'
      ? undefined
      : await readCheckpoint(database, { env, project, resource: resource.id });
  const unit = former === undefined ? 'all' : `from ${digest(former)}`;
  const key = {
    env,
    project,
    resource: resource.id,
    settings: `${settings} ${resource.write}`,
    unit,
    cursorFrom: former ?? null,
  };
  const { extractId, isComplete, pages } = await beginExtract(database, key, runId, {
    isForced: options.force === true,
  });
  const checkpoint = (await lastCheckpoint(database, extractId)) ?? former;
  const landed = { pages: pages.length, rows: 0, bytes: 0 };
  for (const { rows, bytes } of pages) {
    landed.rows += rows;
    landed.bytes += bytes;
  }
  return land(options, { extractId, isComplete, checkpoint, landed });
}

interface Begun {
  readonly extractId: string;
  readonly isComplete: boolean;
  readonly checkpoint: string | undefined;
  readonly landed: { pages: number; rows: number; bytes: number };
}

interface Page extends ArtifactRef {
  readonly rows: number;
}

/** Lines that are in no page yet, each with its line end. */
interface Filling {
  /** In force at the first of them. */
  head: Buffer | undefined;
  lines: Buffer[];
  /** How many of the lines are no rows. */
  notes: number;
  bytes: number;
}

function land(options: LandingOptions, { extractId, isComplete, checkpoint, landed }: Begun): Landing {
  const { database, store, resource, origin, pageBytes = PAGE_BYTES, landEveryMs = 1_000 } = options;
  let filling: Filling = { head: undefined, lines: [], notes: 0, bytes: 0 };
  let head: Buffer | undefined;
  /** In the store, and in no line of the manifest yet; a checkpoint that has not landed stands for all of them. */
  let stored: Page[] = [];
  /** The newest checkpoint that has not landed, and how many of `filling`'s lines and notes it stands for. */
  let covered: (Pick<Filling, 'head' | 'notes'> & { readonly checkpoint: string; readonly lines: number }) | undefined;
  let newest = checkpoint;
  let columns: StatedColumns = {};
  let landedAt = performance.now();
  const total = { ...landed };

  const storePage = async ({ head: first, lines, notes }: Filling): Promise<void> => {
    if (lines.length === 0) return;
    const page = await store.put(Buffer.concat(first === undefined ? lines : [first, ...lines]));
    stored.push({ ...page, rows: lines.length - notes });
  };
  const addLine = (line: Buffer): void => {
    filling.lines.push(line);
    filling.bytes += line.length;
    total.bytes += line.length;
  };
  const record = async (last: string | null, isLast: boolean): Promise<void> => {
    // A checkpoint without rows needs a page to stand on.
    const pages = stored.length === 0 && last !== null ? [undefined] : stored;
    await failpoint('landing.stored');
    await recordPages({ database, extractId, origin, after: landed.pages, pages, checkpoint: last, columns, isLast });
    await failpoint('landing.recorded');
    landed.pages += pages.length;
    stored = [];
    landedAt = performance.now();
    options.onProgress?.({
      ...total,
      pages: landed.pages,
      ...(newest === undefined ? {} : { checkpoint: short(newest) }),
    });
  };
  /** Lands the rows up to the newest checkpoint; those behind it stay. */
  const landCovered = async (): Promise<void> => {
    if (covered === undefined) return;
    const { checkpoint: last, lines, notes } = covered;
    const rest = filling.lines.splice(lines);
    await storePage({ ...filling, notes });
    const bytes = rest.reduce((sum, { length }) => sum + length, 0);
    filling = { head: covered.head, lines: rest, notes: filling.notes - notes, bytes };
    covered = undefined;
    await record(last, false);
  };

  return {
    extractId,
    isComplete,
    checkpoint,
    addRow(row) {
      addLine(Buffer.concat([row, LINE_END]));
      total.rows++;
      return filling.bytes < pageBytes ? undefined : flush();
    },
    addNote(line) {
      addLine(Buffer.concat([line, LINE_END]));
      filling.notes++;
    },
    setHead(line) {
      const next = Buffer.concat([line, LINE_END]);
      if (head?.equals(next) === true) return;
      head = next;
      if (filling.lines.length === 0 && covered === undefined) filling.head = head;
      else {
        addLine(head);
        filling.notes++;
      }
    },
    setColumns(stated) {
      columns = stated;
    },
    async addCheckpoint(text) {
      assertCheckpoint(options, text);
      newest = text;
      covered = { checkpoint: text, head, lines: filling.lines.length, notes: filling.notes };
      if (stored.length > 0 || performance.now() - landedAt >= landEveryMs) await landCovered();
    },
    async keep() {
      await landCovered();
      return countFutile(database, extractId, newest !== checkpoint);
    },
    async complete({ withHead = false } = {}) {
      if (!isComplete) {
        const { lines, notes } = covered ?? { lines: 0, notes: 0 };
        const inStore = covered === undefined ? sumRows(stored) : 0;
        const uncovered = filling.lines.length - filling.notes - (lines - notes) + inStore;
        if (resource.write === 'append' && uncovered > 0) throw checkpointMissing(options, uncovered);
        await landCovered();
        if (withHead && head !== undefined && total.bytes === 0) stored.push({ ...(await store.put(head)), rows: 0 });
        await storePage(filling);
        await record(null, true);
      }
      const pages = await pagesOf(database, extractId);
      const rows = sumRows(pages);
      // Rows of two loads are two sets even if they are alike, except where a load is all there is.
      const place = resource.write === 'replace' ? origin : `${origin}@${extractId}`;
      const objects: ExtractedObject[] = [];
      for (const object of await combinePages(store, pages))
        objects.push({
          ...(await addRawObject(options, `${place}#${objects.length + 1}`, object)),
          statedBy: extractId,
        });
      return { extractId, objects, pages: pages.length, rows };
    },
  };

  async function flush(): Promise<void> {
    if (covered !== undefined) return landCovered();
    await storePage(filling);
    filling = { head, lines: [], notes: 0, bytes: 0 };
  }
}

const LINE_END = Buffer.from('\n');

async function countFutile(database: Database, extractId: string, cameFurther: boolean): Promise<number> {
  const [extract] = await database.query<{ attempts: number }>(
    `UPDATE plumbline.extracts SET futile_attempts = CASE WHEN $2 THEN 0 ELSE futile_attempts + 1 END
     WHERE extract_id = $1 RETURNING futile_attempts AS attempts`,
    [extractId, cameFurther],
  );
  return extract?.attempts ?? 0;
}

/** Pages and what stands for them, in one transaction. Throws `ELT_LOAD_FENCED` when another attempt was first. */
async function recordPages(to: {
  readonly database: Database;
  readonly extractId: string;
  readonly origin: string;
  /** How many pages there are. */
  readonly after: number;
  readonly pages: readonly (Page | undefined)[];
  readonly checkpoint: string | null;
  readonly columns: StatedColumns;
  readonly isLast: boolean;
}): Promise<void> {
  const { database, extractId, origin, after, pages, checkpoint, columns, isLast } = to;
  if (pages.length === 0 && !isLast) return;
  await database.transaction(async (session) => {
    // Keeps a late attempt from adding to an extract that another one goes on with, or has completed.
    const [open] = await session.query<{ isComplete: boolean }>(
      'SELECT completed_at IS NOT NULL AS "isComplete" FROM plumbline.extracts WHERE extract_id = $1 FOR UPDATE',
      [extractId],
    );
    const [there] = await session.query<{ pages: number }>(
      'SELECT count(*)::integer AS pages FROM plumbline.raw_pages WHERE extract_id = $1',
      [extractId],
    );
    if (open?.isComplete !== false || there?.pages !== after)
      throw new TransientError(
        'ELT_LOAD_FENCED',
        `Landing page ${after + 1} of extract ${extractId} failed: another attempt goes on with it; this one ends without effect.`,
        { details: { extractId, page: after + 1 }, next: 'Nothing: the step is tried again.' },
      );
    const fetchedAt = new Date();
    for (const [index, page] of pages.entries()) {
      const line = {
        page: after + index + 1,
        url: origin,
        sha256: page?.sha256 ?? null,
        bytes: page?.bytes ?? 0,
        rows: page?.rows ?? 0,
        nextUrl: null,
        etag: null,
        lastModified: null,
        cursorMax: null,
        cursorMissing: 0,
      };
      const stated = index === pages.length - 1 ? { checkpoint, columns } : {};
      await insertPage(session, extractId, line, fetchedAt, stated);
    }
    if (isLast) await completeExtract(session, extractId);
  });
}

function assertCheckpoint(
  { resource, origin, maxCheckpointBytes = MAX_CHECKPOINT_BYTES }: LandingOptions,
  text: string,
): void {
  const bytes = Buffer.byteLength(text);
  if (bytes <= maxCheckpointBytes && isJson(text)) return;
  const found = bytes > maxCheckpointBytes ? `${bytes} bytes` : JSON.stringify(short(text));
  throw new TerminalError(
    'ELT_CHECKPOINT_INVALID',
    `Reading ${resource.id} from ${origin} failed: a checkpoint is ${found}; expected JSON of at most ${maxCheckpointBytes} bytes.`,
    { at: resource.at, next: 'Checkpoint only what says where to go on: a time, an id, a page.' },
  );
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function checkpointMissing({ resource, origin }: LandingOptions, rows: number): TerminalError {
  return new TerminalError(
    'ELT_CHECKPOINT_MISSING',
    `Reading ${resource.id} from ${origin} failed: ${rows} ${plural(rows, 'row')} came behind the last checkpoint, and the table appends; the next load would append them again.`,
    { at: resource.at, details: { rows }, next: 'Checkpoint after the last row, or use write: merge or replace.' },
  );
}

function sumRows(pages: readonly { readonly rows: number }[]): number {
  return pages.reduce((sum, { rows }) => sum + rows, 0);
}

function short(checkpoint: string): string {
  return checkpoint.length <= 200 ? checkpoint : `${checkpoint.slice(0, 200)}…`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

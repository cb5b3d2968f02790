import { TerminalError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import type { Database, Session } from '../../model/database.js';
import { ensureSchema } from '../../model/ensure-schema.js';
import type { ResourceConfig, Schemas } from '../../model/project.js';
import { isByInterval } from '../../model/is-by-interval.js';
import { streamResource } from '../singer/stream-facts.js';
import { assertDeclared } from './assert-declared.js';
import { assertKey } from './assert-key.js';
import {
  claimPublication,
  publishedVersion,
  releasePublication,
  type Publication,
  type PublishedVersion,
  type TypeChange,
} from './claim-publication.js';
import { formerIntervals } from './former-intervals.js';
import { loadsById, type LedgerLine } from './ledger.js';
import { LoadFencedError } from './load-fenced-error.js';
import type { LoadResult } from './load-result.js';
import type { ChildRows } from '../nested/publish-child-rows.js';
import { publishByRows } from './publish-by-rows.js';
import { publishBySwap } from './publish-by-swap.js';

export interface PublishOptions {
  readonly database: Database;
  readonly env: string;
  readonly project: string;
  readonly schemas: Schemas;
  readonly resource: ResourceConfig;
  /** In the order of the files: of two rows with one key the later load's wins. */
  readonly loads: readonly Pick<LoadResult, 'loadId'>[];
  readonly runId: string;
  /** How far the rows go, of a resource with a cursor: it moves with their publication. `from` is where it was; undefined when everything was asked for. */
  readonly cursor?: { readonly from?: string; readonly to?: string };
  /** The rows are all that the source has: `append` puts them in place of those that are there. @default false */
  readonly isFull?: boolean;
  /** The rows are what is new since the source's own state: what they lack is not gone. @default false */
  readonly isPart?: boolean;
  /** Publishes an anomaly that would stop it otherwise. @default false */
  readonly acceptAnomaly?: boolean;
  readonly signal?: AbortSignal;
  /** `waiting`: whom the publication waits for: `for 2 older transactions: pid 12 (ann report, since …), …`. */
  readonly onProgress?: (progress: { readonly waiting: string }) => void;
  /**
   * Runs in the publishing transaction, after the ledger's mark: what it writes is there if, and only if, the rows are;
   * when it throws, nothing is published. Not called when the loads are `unchanged`. Called again, after a rollback,
   * when a lock was not to be had.
   */
  readonly onPublish?: (session: Session, result: Publishing) => Promise<void>;
}

/** What is being published. */
export type Publishing = Omit<PublishResult, 'status'>;

/** Plain JSON. */
export interface PublishResult {
  /** `unchanged`: these loads were published before. */
  readonly status: 'published' | 'unchanged';
  /** Of the whole table. */
  readonly rows: number;
  /** `schema.table` */
  readonly table: string;
  /** Counts the publications of the resource from 1. */
  readonly version: number;
  readonly columnsAdded: readonly string[];
  readonly typesChanged: readonly TypeChange[];
  /** Columns of the former table that a `replace` does not have, or that the source of rows that are added has no more; absent when there are none. */
  readonly columnsGone?: readonly string[];
  /** What is far from the table's own history, one sentence each. */
  readonly anomalies?: readonly string[];
  /** Rows from before the cursor's state that were not there; missing without a cursor. */
  readonly rowsLate?: number;
  /** Staged rows that were not there as they are; missing where nobody asked. */
  readonly rowsChanged?: number;
  /** Rows that the source no longer has, which were deleted or closed; missing where its keys are not compared. */
  readonly rowsGone?: number;
  /** Rows of which the source has the key and the table has not; missing where keys are not compared. */
  readonly rowsMissing?: number;
  /** Rows of older versions of the table, which the loads took out; missing where nothing was. */
  readonly rowsRemoved?: number;
  /** Rows of the loads whose key a later load has, which stays; missing where there are none. */
  readonly rowsMadeWay?: number;
  /** Of the whole child tables, which change with the table; missing when there are none. */
  readonly children?: readonly ChildRows[];
}

export interface PublishWork {
  readonly options: PublishOptions;
  readonly publication: Publication;
  /** The loads in their order. */
  readonly lines: readonly LedgerLine[];
}

/**
 * Makes staged loads visible, all in one transaction: `replace` swaps in a table of exactly these loads, none of them an empty one; `append` adds
 * their rows in place of the rows of former contents of the same files, `merge` writes them by primary key unless a
 * newer load wrote that row. Idempotent: the same loads again are `unchanged`. The stages are gone afterwards.
 *
 * Terminal: `ELT_LOAD_UNKNOWN`, `ELT_COLUMN_UNKNOWN`, `ELT_PRIMARY_KEY_MISSING`, `ELT_KEY_REPEATED`, `ELT_TABLE_TAKEN`, `ELT_TYPE_CHANGE`, `ELT_ANOMALY`, `ELT_SOURCE_EMPTY`, those of `swapTable`. Transient: `ELT_LOAD_FENCED`, `ELT_WRITER_STUCK`,
 * `ELT_PUBLISH_TIMEOUT`, PostgreSQL's own; and what `onPublish` throws. After an error the table is what it was.
 */
export async function publishResource(options: PublishOptions): Promise<PublishResult> {
  const { database, resource, schemas } = options;
  assertKey(resource);
  await ensureSchema(database, schemas.raw);
  const claimed: { publication?: Publication | undefined } = {};
  try {
    return await database.session(async (session) => {
      const key = { env: options.env, project: options.project, resource: resource.id };
      const publication = (claimed.publication = await claimPublication(session, key, options.signal));
      const lines = await orderedLoads(session, options);
      const current = await publishedVersion(session, publication);
      if (current !== undefined && (await isPublished(session, options, lines, current)))
        return unchanged(options, current);
      refuseReplaced(resource, lines);
      await assertDeclared(session, options, lines);
      const known = streamResource(
        resource,
        lines.map(({ reader }) => reader?.stream),
      );
      const write = known.write === 'append' && options.isFull === true ? 'replace' : known.write;
      const work = { options: { ...options, resource: { ...known, write } }, publication, lines };
      const published = write === 'replace' ? await publishBySwap(session, work) : await publishByRows(session, work);
      claimed.publication = undefined;
      await failpoint('publish.after-commit');
      return published;
    });
  } finally {
    // Where PostgreSQL is gone, so is the connection that is named there.
    if (claimed.publication !== undefined) await releasePublication(database, claimed.publication).catch(() => {});
  }
}

async function orderedLoads(
  session: Parameters<typeof loadsById>[0],
  { loads, resource }: PublishOptions,
): Promise<LedgerLine[]> {
  const found = new Map(
    (
      await loadsById(
        session,
        loads.map(({ loadId }) => loadId),
      )
    ).map((line) => [line.loadId, line]),
  );
  return [...new Set(loads.map(({ loadId }) => loadId))].map((loadId) => {
    const line = found.get(loadId);
    if (line !== undefined && line.status !== 'loading' && line.status !== 'failed') return line;
    throw new TerminalError(
      'ELT_LOAD_UNKNOWN',
      `Publishing ${resource.id} failed: load ${loadId} is ${line === undefined ? 'not in the ledger' : line.status}; expected staged or published.`,
      { details: { loadId }, next: 'Run the load again.' },
    );
  });
}

async function isPublished(
  session: Session,
  options: PublishOptions,
  lines: readonly LedgerLine[],
  current: PublishedVersion,
): Promise<boolean> {
  const { resource } = options;
  if (lines.some(({ status }) => status !== 'published')) return false;
  // What was loaded for the interval before, and is not in it any more, has to go.
  if (isByInterval(resource)) return (await formerIntervals(session, options, lines)).length === 0;
  if (resource.write !== 'replace') return true;
  const before = new Set(current.loadIds);
  return lines.length === before.size && lines.every(({ loadId }) => before.has(loadId));
}

/** A load whose rows a newer publication took away belongs to an attempt that comes too late. */
function refuseReplaced(resource: ResourceConfig, lines: readonly LedgerLine[]): void {
  const late = lines.find(({ status }) => status === 'replaced');
  if (late !== undefined)
    throw new LoadFencedError(`Publication of load ${late.loadId} of ${resource.id}`, { loadId: late.loadId });
}

function unchanged({ schemas, resource }: PublishOptions, current: PublishedVersion): PublishResult {
  return {
    status: 'unchanged',
    rows: current.rows,
    table: `${schemas.raw}.${resource.table}`,
    version: current.version,
    columnsAdded: current.columnsAdded,
    typesChanged: current.typesChanged,
  };
}

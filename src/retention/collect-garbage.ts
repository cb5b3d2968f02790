import { TerminalError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { SharedStore, StoredObject } from '../model/artifact.js';
import type { Database, Queryable } from '../model/database.js';
import type { RetentionConfig } from '../model/project.js';
import { expireRecords, type Expired } from './expire-records.js';
import { listLineage } from './list-lineage.js';
import { markObjects, type Reason } from './mark-objects.js';

export interface Amount {
  readonly count: number;
  readonly bytes: number;
}

export interface CollectionResult {
  readonly collectionId: string;
  readonly dryRun: boolean;
  /** ISO 8601: objects used since are kept. */
  readonly usedBefore: string;
  /** Records that were too old, by table. */
  readonly expired: Expired;
  /** Objects of the store that were there at the beginning of the last attempt. */
  readonly looked: Amount;
  /** `recent`: nothing refers to it (yet), and it was used within the grace or since a run in progress began. */
  readonly kept: Readonly<Partial<Record<Reason | 'recent', Amount>>>;
  /** By all attempts; of the one in which a worker was killed up to a thousand may be missing. */
  readonly deleted: Amount;
  /** Uploads and temporary files of processes that are gone. */
  readonly unfinished: Amount;
}

export interface CollectionOptions {
  readonly database: Database;
  readonly store: SharedStore;
  readonly env: string;
  readonly project: string;
  readonly retention: RetentionConfig;
  /** Hashes that work in progress refers to, whatever is on record: bundles of them stay. */
  readonly inUse?: readonly string[];
  /** The same again goes on with the collection. */
  readonly collectionId: string;
  readonly startedBy: string;
  readonly dryRun: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly objects: number; readonly deleted: number }) => void;
}

const PAGE = 1_000;
/** Before the start of a run: the store does not note a use of what is newer than 20 minutes, and clocks differ. */
const MARGIN_MS = 30 * 60_000;
const UPLOAD_MS = 24 * 3_600_000;

/**
 * Deletes records that are older than the project keeps them, then every object of the store that no record of any project refers to and
 * that nobody used lately. Objects that a run in progress put or asked for count as used, whether it refers to them yet or not.
 * Records go in one transaction, objects one by one: killed at any point nothing that is referred to is gone, and another attempt, or
 * the next collection, ends the work. Throws `GC_STORE_SHARED` (terminal).
 */
export async function collectGarbage(options: CollectionOptions): Promise<CollectionResult> {
  await assertOwnStore(options);
  return options.dryRun ? tryOut(options) : collect(options);
}

async function collect(options: CollectionOptions): Promise<CollectionResult> {
  const { database, env, project, retention, collectionId, startedBy } = options;
  await database.execute(
    `INSERT INTO plumbline.collections (collection_id, env, project, started_by, retention) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT DO NOTHING`,
    [collectionId, env, project, startedBy, JSON.stringify(retention)],
  );
  const marked = await database.transaction((session) => expireAndMark(session, options));
  await failpoint('gc.marked');
  const swept = await sweep(database, options, marked.usedBeforeMs, async (gone, amount) => {
    await failpoint('gc.swept');
    await database.execute(
      `WITH counted AS (UPDATE plumbline.collections SET deleted = deleted + $2, deleted_bytes = deleted_bytes + $3
         WHERE collection_id = $1 RETURNING started_at)
       -- What stood for a raw object goes with its line: should the file come again, it is a new one.
       DELETE FROM plumbline.redactions r USING counted WHERE r.replacement = ANY($4) AND r.at < counted.started_at`,
      [collectionId, amount.count, amount.bytes, gone.map(({ sha256 }) => sha256)],
    );
  });
  const unfinished = await options.store.sweepUnfinished(Date.now() - UPLOAD_MS);
  const [total] = await database.query<Amount>(
    `SELECT deleted::float8 AS count, deleted_bytes::float8 AS bytes FROM plumbline.collections WHERE collection_id = $1`,
    [collectionId],
  );
  const result = { ...resultOf(options, marked, swept), deleted: total!, unfinished };
  await database.transaction(async (session) => {
    await session.execute(
      `UPDATE plumbline.collections SET ended_at = clock_timestamp(), counts = $2 WHERE collection_id = $1`,
      [collectionId, JSON.stringify({ looked: swept.looked, kept: swept.kept, unfinished })],
    );
    // Also those of collections that were given up.
    await session.execute(
      `DELETE FROM plumbline.marks m USING plumbline.collections c WHERE c.collection_id = m.collection_id
       AND (c.collection_id = $1 OR c.started_at < now() - interval '7 days')`,
      [collectionId],
    );
  });
  return result;
}

/** Does the records' part in a transaction that is rolled back. */
async function tryOut(options: CollectionOptions): Promise<CollectionResult> {
  let result: CollectionResult | undefined;
  const undo = new Error('rolled back on purpose');
  await options.database
    .transaction(async (session) => {
      await session.execute(
        `INSERT INTO plumbline.collections (collection_id, env, project, started_by, retention) VALUES ($1, $2, $3, $4, '{}')`,
        [options.collectionId, options.env, options.project, options.startedBy],
      );
      const marked = await expireAndMark(session, options);
      const swept = await sweep(session, options, marked.usedBeforeMs);
      result = { ...resultOf(options, marked, swept), deleted: swept.deleted, unfinished: { count: 0, bytes: 0 } };
      throw undo;
    })
    .catch((error: unknown) => {
      if (error !== undo) throw error;
    });
  return result!;
}

interface Marked {
  readonly expired: Expired;
  readonly usedBeforeMs: number;
}

/** Once a collection; a later attempt takes over what an earlier one marked, as whoever refers to more since has used it since. */
async function expireAndMark(session: Queryable, options: CollectionOptions): Promise<Marked> {
  const { collectionId, retention } = options;
  const [row] = await session.query<{ expired: Expired | null; before: number | null }>(
    `SELECT expired, extract(epoch FROM used_before)::float8 * 1000 AS before FROM plumbline.collections
     WHERE collection_id = $1 FOR UPDATE`,
    [collectionId],
  );
  if (row!.before !== null) return { expired: row!.expired ?? {}, usedBeforeMs: row!.before };
  const usedBeforeMs = await usedBefore(session, retention.graceMs);
  await listLineage(session);
  const expired = await expireRecords(session, options);
  await markObjects(session, collectionId);
  await session.execute(
    `UPDATE plumbline.collections SET used_before = to_timestamp($2 / 1000.0), expired = $3 WHERE collection_id = $1`,
    [collectionId, usedBeforeMs, JSON.stringify(expired)],
  );
  return { expired, usedBeforeMs };
}

/** Before the records are read: what a run has used and not recorded yet was used after this. */
async function usedBefore(session: Queryable, graceMs: number): Promise<number> {
  const [row] = await session.query<{ before: number }>(
    `SELECT extract(epoch FROM least(clock_timestamp() - $1::float8 * interval '1 millisecond',
       (SELECT min(r.started_at) - $2::float8 * interval '1 millisecond' FROM plumbline.runs r
        WHERE r.status = 'running' AND EXISTS (SELECT FROM plumbline.leases l WHERE l.holder = r.run_id AND l.expires_at > now() - interval '1 hour'))
     ))::float8 * 1000 AS before`,
    [graceMs, MARGIN_MS],
  );
  return row!.before;
}

interface Swept {
  readonly looked: Amount;
  readonly kept: Readonly<Partial<Record<Reason | 'recent', Amount>>>;
  readonly deleted: Amount;
}

/** @param onDeleted absent: nothing is deleted, only counted */
async function sweep(
  database: Queryable,
  options: CollectionOptions,
  usedBeforeMs: number,
  onDeleted?: (gone: readonly StoredObject[], amount: Amount) => Promise<void>,
): Promise<Swept> {
  const { store, signal, onProgress, collectionId } = options;
  const kept = new Map<Reason | 'recent', Amount>();
  let looked: Amount = { count: 0, bytes: 0 };
  let deleted: Amount = { count: 0, bytes: 0 };
  const sweepPage = async (page: readonly StoredObject[]): Promise<void> => {
    const reasons = await reasonsOf(database, collectionId, page);
    const garbage: StoredObject[] = [];
    for (const object of page) {
      const reason = reasons.get(object.sha256) ?? (object.usedMs >= usedBeforeMs ? 'recent' : undefined);
      if (reason === undefined) garbage.push(object);
      else kept.set(reason, plus(kept.get(reason), [object]));
    }
    looked = plus(looked, page);
    const gone = onDeleted === undefined ? garbage : await store.sweep(garbage, usedBeforeMs, signal);
    const names = new Set(gone.map(({ sha256 }) => sha256));
    const usedSince = garbage.filter(({ sha256 }) => !names.has(sha256));
    if (usedSince.length > 0) kept.set('recent', plus(kept.get('recent'), usedSince));
    deleted = plus(deleted, gone);
    if (gone.length > 0) await onDeleted?.(gone, plus(undefined, gone));
    onProgress?.({ objects: looked.count, deleted: deleted.count });
    await failpoint('gc.page');
  };
  let page: StoredObject[] = [];
  for await (const object of store.list(signal)) {
    page.push(object);
    if (page.length < PAGE) continue;
    await sweepPage(page);
    page = [];
  }
  if (page.length > 0) await sweepPage(page);
  return { looked, kept: Object.fromEntries(kept), deleted };
}

async function reasonsOf(
  database: Queryable,
  collectionId: string,
  objects: readonly StoredObject[],
): Promise<Map<string, Reason>> {
  const rows = await database.query<{ sha256: string; reason: Reason }>(
    'SELECT sha256, reason FROM plumbline.marks WHERE collection_id = $1 AND sha256 = ANY($2)',
    [collectionId, objects.map(({ sha256 }) => sha256)],
  );
  return new Map(rows.map(({ sha256, reason }) => [sha256, reason]));
}

/** A database that was restored, or is another one, does not know what the store's other users refer to. */
async function assertOwnStore({ database, store }: CollectionOptions): Promise<void> {
  const [own] = await database.query<{ id: string }>('SELECT database_id AS id FROM plumbline.installation');
  const others = (await store.users()).filter((id) => id !== own!.id);
  if (others.length === 0) return;
  throw new TerminalError(
    'GC_STORE_SHARED',
    `Collecting garbage in ${store.place} was refused: besides this database (${own!.id}) it is used by ${others.join(', ')}.`,
    {
      details: { own: own!.id, others },
      next: 'Give each database a store of its own. Of a database that is gone for good, remove the file of that name under `users/` in the store.',
    },
  );
}

function resultOf(
  { collectionId, dryRun }: CollectionOptions,
  { expired, usedBeforeMs }: Marked,
  { looked, kept }: Swept,
): Omit<CollectionResult, 'deleted' | 'unfinished'> {
  return { collectionId, dryRun, usedBefore: new Date(usedBeforeMs).toISOString(), expired, looked, kept };
}

function plus(amount: Amount = { count: 0, bytes: 0 }, objects: readonly StoredObject[]): Amount {
  return { count: amount.count + objects.length, bytes: objects.reduce((sum, { bytes }) => sum + bytes, amount.bytes) };
}

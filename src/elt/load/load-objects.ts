import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TerminalError } from '../../errors.js';
import type { ArtifactStore } from '../../model/artifact.js';
import { cancelOnAbort } from '../../model/cancel-on-abort.js';
import type { Session } from '../../model/database.js';
import { ensureSchema } from '../../model/ensure-schema.js';
import type { ColumnType } from '../../model/project.js';
import { countTakenOut } from '../forget/count-taken-out.js';
import { withInstance, type SharedDuckDB } from '../read/duckdb.js';
import { withSource } from '../read/open-source.js';
import { readAhead } from '../read/read-ahead.js';
import { LineIndex } from '../read/line-index.js';
import { MAX_CHUNK_BYTES } from '../read/row-chunk.js';
import { aheadOf } from './ahead-of.js';
import { assertKey } from './assert-key.js';
import { mayShare } from './group-objects.js';
import { claimLoads, type Claim } from './claim-load.js';
import { commitGroup, LeavesGroup, type GroupedObject } from './commit-group.js';
import { releaseWriters, type LedgerLine } from './ledger.js';
import { CHUNK_ROWS } from './load-chunks.js';
import { loadObject, type LoadOptions } from './load-object.js';
import { resultOf, type ExtractedObject, type LoadResult } from './load-result.js';
import { objectParts } from './object-parts.js';
import { existingColumns, readTypes } from './plan-reader.js';
import { openReadingThread, type GivenObject, type ReadingThread } from './reading-thread.js';
import { readWhole, type ReadSettings } from './read-whole.js';
import { groupStageName, type StageName } from './stage-table.js';

export interface GroupOptions extends Omit<LoadOptions, 'object' | 'stated' | 'code' | 'onProgress'> {
  /** Each with another path. */
  readonly objects: readonly ExtractedObject[];
  readonly onProgress?: (progress: {
    readonly objects: number;
    readonly objectsTotal: number;
    readonly rowsRead: number;
    readonly rowsRejected: number;
  }) => void;
}

/**
 * What `loadObject` does, for many small objects at once: those whose columns agree share a stage, and whole objects share a
 * transaction of at most 50,000 rows or 16 MiB. Each keeps its own line of the ledger, its own counts and quarantine. An object that cannot
 * go with the others (too long, too many rejects, a value that PostgreSQL refuses) is loaded by itself afterwards.
 * Idempotent as `loadObject` is; another attempt repeats one transaction at most. Throws what `loadObject` does. Gives the results in the order of the objects.
 */
export async function loadObjects(options: GroupOptions): Promise<LoadResult[]> {
  assertKey(options.resource);
  await ensureSchema(options.database, options.schemas.stage);
  const loaded = await loadTogether(options);
  const results: LoadResult[] = [];
  const { objects, onProgress: _, ...rest } = options;
  for (const object of objects) results.push(loaded.get(object.path) ?? (await loadObject({ ...rest, object })));
  return results;
}

/** By path; those that have to be loaded by themselves are not among them. */
async function loadTogether(options: GroupOptions): Promise<Map<string, LoadResult>> {
  const left = new Set<string>();
  for (;;) {
    try {
      const objects = options.objects.filter((object) => mayShare(options.resource, object) && !left.has(object.path));
      return objects.length === 0 ? new Map() : await attempt({ ...options, objects });
    } catch (error) {
      // What was committed is found staged.
      if (!(error instanceof LeavesGroup)) throw error;
      for (const path of error.paths) left.add(path);
    }
  }
}

async function attempt(options: GroupOptions): Promise<Map<string, LoadResult>> {
  const { database, objects } = options;
  let held: readonly LedgerLine[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-load-'));
  try {
    return await database.session(async (session) => {
      const claims = await claimLoads(session, options, objects);
      held = claims.filter(({ done }) => !done).map(({ line }) => line);
      const existing = await existingColumns(session, options);
      const takenOut = await countTakenOut(session, options, objects.map(({ sha256 }) => sha256)); // prettier-ignore
      const loaded = await withInstance(folder, 0, (shared) =>
        loadClaimed({ options, session, claims, existing, takenOut, shared, folder }),
      );
      // What is staged has no writer any more.
      held = held.filter(({ path }) => !loaded.has(path));
      return loaded;
    });
  } finally {
    // Where PostgreSQL is gone, so is the connection that the ledger names.
    if (held.length > 0) await releaseWriters(database, held).catch(() => {});
    await rm(folder, { recursive: true, force: true });
  }
}

interface Work {
  readonly options: GroupOptions;
  readonly session: Session;
  /** In the order of the objects. */
  readonly claims: readonly Claim[];
  /** Columns of the published table, as far as they matter; undefined when there is none. */
  readonly existing: ReadonlyMap<string, ColumnType> | undefined;
  /** Rows of forgotten keys that the objects had when they were fetched, by hash. */
  readonly takenOut: ReadonlyMap<string, number>;
  readonly shared: SharedDuckDB;
  /** For temporary files. */
  readonly folder: string;
}

async function loadClaimed(work: Work): Promise<Map<string, LoadResult>> {
  const { options, session, claims } = work;
  const { schemas, resource, signal, objects } = options;
  const results = new Map<string, LoadResult>();
  const add = (line: LedgerLine, fromRow: number): void =>
    void results.set(line.path, resultOf(options, line, fromRow));
  for (const { line, done } of claims) if (done) add(line, line.nextRow);
  const stages = new Map<string, StageName>();
  let rowsRead = 0;
  let rowsRejected = 0;
  for await (const { shape, objects: chunk } of readAhead(groupChunks(work))) {
    const former = stages.get(shape);
    const stage = former ?? groupStageName(schemas.stage, chunk[0]!.line);
    const group = { resource, stage, isNew: former === undefined, objects: chunk, signal };
    const lines = await cancelOnAbort(options.database, session, signal, () => commitGroup(session, group));
    stages.set(shape, stage);
    for (const line of lines) {
      add(line, 1);
      rowsRead += line.rowsRead;
      rowsRejected += line.rowsRejected;
    }
    options.onProgress?.({ objects: results.size, objectsTotal: objects.length, rowsRead, rowsRejected });
  }
  return results;
}

interface GroupChunk {
  /** Names and types of the columns. */
  readonly shape: string;
  /** Of one format. */
  readonly objects: readonly GroupedObject[];
}

/** So many batches under way, each with so many objects that this thread reads at once. */
const BATCHES_AT_ONCE = 2;
const OBJECTS_AT_ONCE = 2;

/** The objects that are not loaded yet, read and gathered by their columns into as much as one transaction takes. */
async function* groupChunks(work: Work): AsyncGenerator<GroupChunk> {
  const maxRows = work.options.chunkRows ?? CHUNK_ROWS;
  const gathered = new Map<string, GroupChunk & { objects: GroupedObject[]; rows: number; bytes: number }>();
  for await (const batch of readBatches(work))
    for (const read of batch) {
      if (read === undefined) continue;
      const { reader, format, blocks } = read;
      const bytes = blocks.reduce((sum, block) => sum + block.length, 0);
      const shape = JSON.stringify(reader.columns.map(({ name, type }) => [name, type]));
      const key = `${format} ${shape}`;
      const former = gathered.get(key);
      const isFull =
        former !== undefined && (former.rows + reader.rows > maxRows || former.bytes + bytes > MAX_CHUNK_BYTES);
      if (isFull) yield former;
      if (former === undefined || isFull) gathered.set(key, { shape, objects: [read], rows: reader.rows, bytes });
      else {
        former.objects.push(read);
        former.rows += reader.rows;
        former.bytes += bytes;
      }
    }
  yield* gathered.values();
}

/** Fewer are read before a thread has come up. */
const THREAD_OBJECTS = 8;

/** All rows of the objects that are not loaded yet, in their order; undefined for each that has to be loaded by itself, which says why. */
async function* readBatches(work: Work): AsyncGenerator<readonly (GroupedObject | undefined)[]> {
  const bytesOf = new Map(
    work.options.objects.map(({ path, bytes }) => [path, bytes * (PACKED.test(path) ? UNPACKED : 1)]),
  );
  // A load that was begun by itself has a stage of its own.
  const open = work.claims.flatMap(({ line, done }) => (!done && line.reader === null ? [line] : []));
  const thread = open.length < THREAD_OBJECTS ? undefined : openReadingThread();
  const counts = { read: 0, left: 0 };
  try {
    yield* aheadOf(
      inBatches(open, (line) => bytesOf.get(line.path)!),
      BATCHES_AT_ONCE,
      async (lines) => {
        // Files of one resource are mostly alike.
        const isOfUse = thread !== undefined && counts.left <= counts.read;
        const read = isOfUse ? await readInThread(work, thread, lines) : lines.map(() => undefined);
        for (const object of read) counts[object === undefined ? 'left' : 'read']++;
        const left = lines.filter((_, index) => read[index] === undefined);
        const others = (await readHere(work, left)).values();
        return read.map((object) => object ?? others.next().value);
      },
    );
  } finally {
    await thread?.release();
  }
}

// What a thread is told costs as much as to read one of them.
const BATCH_OBJECTS = 16;
const BATCH_BYTES = 1 << 20;
// All rows of a batch are held at once: a packed file counts as what it may become.
const PACKED = /\.(gz|zst|parquet|xlsx)$/i;
const UNPACKED = 16;

function inBatches(lines: readonly LedgerLine[], bytesOf: (line: LedgerLine) => number): LedgerLine[][] {
  const batches: LedgerLine[][] = [];
  let bytes = Infinity;
  for (const line of lines) {
    bytes += bytesOf(line);
    if (bytes <= BATCH_BYTES && batches.at(-1)!.length < BATCH_OBJECTS) batches.at(-1)!.push(line);
    else {
      batches.push([line]);
      bytes = bytesOf(line);
    }
  }
  return batches;
}

async function readInThread(
  work: Work,
  thread: ReadingThread,
  lines: readonly LedgerLine[],
): Promise<(GroupedObject | undefined)[]> {
  const { options, takenOut, folder } = work;
  options.signal?.throwIfAborted();
  const given = await Promise.all(lines.map((line) => givenObject(options.store, line)));
  const objects = given.filter((object) => object !== undefined);
  const read = (await thread.read({ settings: settingsOf(work), folder, objects })).values();
  return lines.map((line, index) => {
    const whole = given[index] && read.next().value;
    if (whole === undefined) return undefined;
    const { lines: found, ...rest } = whole;
    const numbers = new LineIndex(found);
    const lineOf = (row: number): number => numbers.lineOf(row);
    return { ...rest, line, rowsTakenOut: takenOut.get(line.sha256) ?? 0, lineOf };
  });
}

/** Undefined for one that the store cannot give. */
async function givenObject(
  store: ArtifactStore,
  { path: file, sha256, loadId }: LedgerLine,
): Promise<GivenObject | undefined> {
  try {
    return { ...(await store.localFile(sha256)), file, loadId };
  } catch (error) {
    if (error instanceof TerminalError) return undefined;
    throw error;
  }
}

async function readHere(work: Work, lines: readonly LedgerLine[]): Promise<(GroupedObject | undefined)[]> {
  const read: (GroupedObject | undefined)[] = [];
  for await (const object of aheadOf(lines, OBJECTS_AT_ONCE, (line) => readObject(work, line))) read.push(object);
  return read;
}

/** All rows of an object; undefined when it has to be loaded by itself. */
async function readObject(work: Work, line: LedgerLine): Promise<GroupedObject | undefined> {
  const { options, existing, takenOut, shared, folder } = work;
  const { store, resource, signal } = options;
  const { path: file } = line;
  signal?.throwIfAborted();
  try {
    const parts = await objectParts(store, resource, line);
    const types = readTypes(resource, existing);
    return await withSource(
      { ...parts, file, resource, existing: types, shared, folder, signal },
      async (duckdb, source) => {
        const whole = await readWhole(duckdb, source, line, settingsOf(work), signal);
        return whole && { ...whole, line, rowsTakenOut: takenOut.get(line.sha256) ?? 0, lineOf: source.lineOf };
      },
    );
  } catch (error) {
    if (error instanceof TerminalError) return undefined;
    throw error;
  }
}

function settingsOf({ options, existing }: Work): ReadSettings {
  const { resource, schemas, chunkRows: maxRows = CHUNK_ROWS } = options;
  return { resource, schemas, existing, maxRows };
}

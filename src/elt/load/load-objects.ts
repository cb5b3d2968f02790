import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TerminalError } from '../../errors.js';
import { cancelOnAbort } from '../../model/cancel-on-abort.js';
import type { Session } from '../../model/database.js';
import { ensureSchema } from '../../model/ensure-schema.js';
import type { ColumnType } from '../../model/project.js';
import { countedProfile } from '../anomaly/counted-profile.js';
import { countTakenOut } from '../forget/count-taken-out.js';
import { withInstance, type SharedDuckDB } from '../read/duckdb.js';
import { withSource } from '../read/open-source.js';
import { readAhead } from '../read/read-ahead.js';
import { MAX_CHUNK_BYTES, type CopyFormat } from '../read/row-chunk.js';
import type { RowFault } from '../read/row-fault.js';
import { aheadOf } from './ahead-of.js';
import { assertKey } from './assert-key.js';
import { mayShare } from './group-objects.js';
import { claimLoads, type Claim } from './claim-load.js';
import { commitGroup, LeavesGroup, type GroupedObject } from './commit-group.js';
import { releaseWriters, type LedgerLine } from './ledger.js';
import { CHUNK_ROWS, loadChunks } from './load-chunks.js';
import { loadObject, type LoadOptions } from './load-object.js';
import { resultOf, type ExtractedObject, type LoadResult } from './load-result.js';
import { mostRejected } from './most-rejected.js';
import { objectParts } from './object-parts.js';
import { existingColumns, planReader, readTypes } from './plan-reader.js';
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

const OBJECTS_AT_ONCE = 4;

/** The objects that are not loaded yet, read and gathered by their columns into as much as one transaction takes. */
async function* groupChunks(work: Work): AsyncGenerator<GroupChunk> {
  const { claims, options } = work;
  const maxRows = options.chunkRows ?? CHUNK_ROWS;
  const gathered = new Map<string, GroupChunk & { objects: GroupedObject[]; rows: number; bytes: number }>();
  // A load that was begun by itself has a stage of its own.
  const open = claims.filter(({ line, done }) => !done && line.reader === null);
  for await (const read of aheadOf(open, OBJECTS_AT_ONCE, ({ line }) => readObject(work, line))) {
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

/** All rows of an object; undefined when it has to be loaded by itself, which says why. */
async function readObject(
  { options, existing, takenOut, shared, folder }: Work,
  line: LedgerLine,
): Promise<GroupedObject | undefined> {
  const { store, resource, signal, chunkRows: maxRows = CHUNK_ROWS } = options;
  const { path: file } = line;
  signal?.throwIfAborted();
  try {
    const parts = await objectParts(store, resource, line);
    const types = readTypes(resource, existing);
    return await withSource(
      { ...parts, file, resource, existing: types, shared, folder, signal },
      async (duckdb, source) => {
        if (source.rows > maxRows || source.rows === 0) return undefined;
        const reader = await planReader({ object: line, resource, schemas: options.schemas, existing }, duckdb, source);
        const faults: RowFault[] = [];
        const discarded: Record<string, number> = {};
        const blocks: Buffer[] = [];
        let format: CopyFormat = 'text';
        let nulls: readonly number[] | undefined = reader.columns.map(() => 0);
        let rows = 0;
        let bytes = 0;
        const { loadId } = line;
        for await (const chunk of loadChunks(duckdb, source, reader, resource, {
          file,
          fromRow: 1,
          maxRows,
          format: 'binary',
          loadId,
          signal,
        })) {
          format = chunk.format;
          faults.push(...chunk.faults);
          for (const [name, values] of chunk.discarded) discarded[name] = (discarded[name] ?? 0) + values;
          for (const block of chunk.blocks) bytes += block.length;
          blocks.push(...chunk.blocks);
          nulls = chunk.nulls && nulls?.map((sum, index) => sum + chunk.nulls![index]!);
          rows += chunk.rowNumbers.length;
          if (bytes > MAX_CHUNK_BYTES || faults.length > mostRejected(resource, source.rows)) return undefined;
        }
        const profile = nulls && countedProfile(reader.columns, source.rows, nulls);
        return {
          rowsTakenOut: takenOut.get(line.sha256) ?? 0,
          line,
          reader: { ...reader, ...(profile && { profile }) },
          lineOf: source.lineOf,
          format,
          blocks,
          rows,
          faults,
          discarded,
        };
      },
    );
  } catch (error) {
    if (error instanceof TerminalError) return undefined;
    throw error;
  }
}

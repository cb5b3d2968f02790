import { createHash } from 'node:crypto';
import { PipelineError, TerminalError } from '../../errors.js';
import type { ArtifactStore } from '../../model/artifact.js';
import type { Database } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { declaredHeaders } from '../http/declared-headers.js';
import { fetchObject, type FetchOptions } from '../http/fetch-object.js';
import { assignBatches } from '../inventory/assign-batches.js';
import { writeBatchList, type BatchEntry } from '../inventory/batch-list.js';
import type { CompiledQuery } from '../inventory/compile-query.js';
import { expectedObjects, type ExpectedObject, type ExpectedObjects } from '../inventory/expected-objects.js';
import {
  expectObjects,
  inventoryLines,
  landObject,
  knownMissing,
  manifestObjects,
  markMissing,
  recordBatch,
  saveBatches,
  shareObjects,
  type InventoryKey,
  type ManifestObject,
} from '../inventory/inventory-lines.js';
import type { ExtractedObject } from '../load/load-result.js';
import { plural } from '../../model/plural.js';

export interface InventoryExtractOptions {
  readonly database: Database;
  readonly store: ArtifactStore;
  readonly env: string;
  readonly project: string;
  /** The project's folder; secrets of `file:` start there. */
  readonly root: string;
  readonly resource: ResourceConfig;
  readonly inventory: CompiledQuery;
  /** Where secrets of `env:` are. */
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  readonly runId: string;
  /** Fetches what is there too. @default false */
  readonly force?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: InventoryProgress) => void;
  /** See `FetchOptions`. */
  readonly pausesMs?: readonly number[];
  readonly timeoutMs?: number;
}

export interface InventoryProgress {
  /** Landed, now or before. */
  readonly objects: number;
  /** Expected. */
  readonly of: number;
  readonly missing: number;
  /** Fetched by this attempt. */
  readonly bytes: number;
  /** Time left at the pace so far, in seconds; absent before the first object. */
  readonly secondsLeft?: number;
}

export interface InventoryExtract {
  /** One for each batch: the list of its objects. */
  readonly objects: readonly ExtractedObject[];
  readonly expected: number;
  /** By this attempt; the others were there. */
  readonly fetched: number;
  /** Addresses that the server does not have. */
  readonly missing: readonly string[];
}

/**
 * Fetches the objects that a resource's inventory names and that are not landed yet, with a line in plumbline.raw_objects and
 * plumbline.inventory each. Idempotent: whoever goes on after a kill asks only for the objects that were not finished. Objects are handed on in
 * batches, whose lists are what is loaded.
 *
 * Terminal: `ELT_INVENTORY_…`, `ELT_SQL_ERROR`, `ELT_HTTP_…`, `ELT_SECRET_MISSING`. Transient, a retry goes on: `ELT_HTTP_UNREACHABLE`,
 * `ELT_HTTP_CUT`, `ELT_HTTP_STATUS_TRANSIENT`.
 */
export async function extractInventory(options: InventoryExtractOptions): Promise<InventoryExtract> {
  const { database, resource, inventory, runId } = options;
  const key = keyOf(options);
  const named = await database.session((session) => expectedObjects(session, inventory, resource));
  const expected = named.objects;
  refuseMany(resource, expected.length);
  await expectObjects(database, key, runId, expected);
  const { missing, fetched } = await fillGaps(options, key, expected);
  refuseGaps(resource, expected.length, missing);
  const batches = await batchLists(options, named);
  if (batches.length === 0) throw emptyInventory(resource, expected.length);
  const objects: ExtractedObject[] = [];
  for (const { path, list, entries } of batches) {
    const stored = await options.store.put(list);
    await recordBatch(database, stored.sha256, entries);
    objects.push({ path, ...stored, isUnchanged: false });
  }
  return { objects, expected: expected.length, fetched, missing };
}

export interface ForeseenInventory {
  readonly expected: number;
  /** Not landed, and not known to be missing. */
  readonly gaps: number;
  /** That the server did not have when it was asked last. */
  readonly missing: number;
  readonly objects: readonly { readonly path: string; readonly sha256: string }[];
}

/** What an extract would do now, and the batches that are there. Asks no server and changes nothing. */
export async function foreseeInventory(
  options: Pick<InventoryExtractOptions, 'database' | 'store' | 'env' | 'project' | 'resource' | 'inventory'>,
): Promise<ForeseenInventory> {
  const named = await options.database.session((session) => expectedObjects(session, options.inventory, options.resource)); // prettier-ignore
  const expected = named.objects;
  const known = await landed(options, keyOf(options), expected);
  const lines = await inventoryLines(options.database, keyOf(options));
  const missing = expected.filter(({ url }) => !known.has(url) && lines.get(url)?.httpStatus != null).length;
  const lists = await batchLists({ ...options, isForeseen: true }, named);
  return {
    expected: expected.length,
    gaps: expected.length - known.size - missing,
    missing,
    objects: lists.map(({ path, list }) => ({ path, sha256: createHash('sha256').update(list).digest('hex') })),
  };
}

function keyOf({
  env,
  project,
  resource,
}: Pick<InventoryExtractOptions, 'env' | 'project' | 'resource'>): InventoryKey {
  return { env, project, source: resource.source, resource: resource.id };
}

/** Of the expected objects those that are in the manifest, whichever resource of the source has them, and in the store. */
async function landed(
  { database, store }: Pick<InventoryExtractOptions, 'database' | 'store'>,
  key: InventoryKey,
  expected: readonly ExpectedObject[],
  fetchedBy?: string,
): Promise<Map<string, ManifestObject>> {
  const manifest = await manifestObjects(database, key, expected.map(({ url }) => url), fetchedBy); // prettier-ignore
  const there = new Map<string, ManifestObject>();
  for (const object of manifest.values()) if (await store.has(object.sha256)) there.set(object.url, object);
  return there;
}

/** Objects that are asked for at the same time; their rate is kept by the source's turns. */
const LANES = 4;

async function fillGaps(
  options: InventoryExtractOptions,
  key: InventoryKey,
  expected: readonly ExpectedObject[],
): Promise<{ missing: string[]; fetched: number }> {
  const { database, runId, force } = options;
  const known = await landed(options, key, expected, force === true ? runId : undefined);
  const lines = await inventoryLines(database, key);
  await shareObjects(
    database,
    key,
    [...known.values()].filter(({ url, sha256 }) => lines.get(url)?.sha256 !== sha256),
  );
  const gone = await knownMissing(database, key, runId);
  const open = expected.filter(({ url }) => !known.has(url));
  const missing = open.map(({ url }) => url).filter((url) => gone.has(url));
  for (const url of missing) await markMissing(database, key, url, gone.get(url)!);
  const gaps = open.filter(({ url }) => !gone.has(url));
  if (gaps.length === 0) return { missing, fetched: 0 };
  const fetching = await fetchOptions(options);
  const startedMs = Date.now();
  let fetched = 0;
  let bytes = 0;
  let asked = 0;
  const report = (): void => {
    const secondsLeft = Math.ceil(((Date.now() - startedMs) / 1000 / asked) * (gaps.length - asked));
    options.onProgress?.({
      objects: known.size + fetched,
      of: expected.length,
      missing: missing.length,
      bytes,
      ...(asked === 0 ? {} : { secondsLeft }),
    });
  };
  report();
  let next = 0;
  const failed = new AbortController();
  const lane = async (): Promise<void> => {
    for (let index = next++; index < gaps.length && !failed.signal.aborted; index = next++) {
      const { url } = gaps[index]!;
      const object = await fetchObject(url, fetching).catch((error: unknown) => {
        throw ofResource(error, options.resource);
      });
      asked++;
      if ('missing' in object) {
        await markMissing(database, key, url, object.missing);
        missing.push(url);
      } else {
        await landObject(database, key, runId, { url, ...object });
        fetched++;
        bytes += object.bytes;
      }
      report();
    }
  };
  // The first error lets the other lanes finish the object that they are at.
  const ends = await Promise.allSettled(
    Array.from({ length: LANES }, () =>
      lane().catch((error: unknown) => (failed.abort(), Promise.reject(error as Error))),
    ),
  );
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  return { missing: missing.sort(), fetched };
}

async function fetchOptions(options: InventoryExtractOptions): Promise<FetchOptions> {
  const { database, store, env, project, root, resource, environment, signal, pausesMs, timeoutMs } = options;
  const { headers, intervalMs } = resource.inventory!;
  return {
    store,
    limit: { database, env, project, source: resource.source, intervalMs },
    ...(await declaredHeaders(headers, environment, root)),
    allowPrivate: resource.allowPrivate ?? false,
    // What a parser reads may be pages.
    ...(resource.parse === undefined && { refusePagesAt: resource.at }),
    signal,
    ...(pausesMs === undefined ? {} : { pausesMs }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

/** What landed stays; the next run asks for the rest alone. */
function refuseGaps(resource: ResourceConfig, expected: number, missing: readonly string[]): void {
  const { maxMissingShare } = resource.inventory!;
  if (missing.length <= maxMissingShare * expected) return;
  throw new TerminalError(
    'ELT_INVENTORY_MISSING',
    `Fetching ${resource.id} ended: the server does not have ${missing.length} of the ${expected} ${plural(expected, 'object')} that ${resource.path} names, ` +
      `expected at most ${(100 * maxMissingShare).toLocaleString('en')} %. First ones: ${missing.slice(0, 3).join(', ')}.`,
    {
      at: resource.at,
      details: { missing: missing.length, expected, first: missing.slice(0, 10) },
      next: 'Correct the SELECT, or raise `max_missing`. The objects that came are kept, and the table keeps its former rows.',
    },
  );
}

/** Each would be a load, and all loads of a run have to fit into one message of Temporal's. */
const MAX_ALONE = 2_000;

function refuseMany(resource: ResourceConfig, expected: number): void {
  if (resource.parse !== undefined || expected <= MAX_ALONE) return;
  throw new TerminalError(
    'ELT_INVENTORY_TOO_LARGE',
    `${resource.path} names ${expected} objects for ${resource.id}; expected at most ${MAX_ALONE} without a parser.`,
    { at: { file: resource.path }, next: 'Set `parse`: objects that a parser reads are loaded by the thousand.' },
  );
}

/** A SELECT that suddenly finds nothing is a mistake more often than the wish for an empty table. */
function emptyInventory(resource: ResourceConfig, expected: number): TerminalError {
  const found =
    expected === 0
      ? 'names no object'
      : `names ${expected} ${plural(expected, 'object')}, and the server has ${plural(expected, 'it not', 'none of them')}`;
  return new TerminalError(
    'ELT_SOURCE_EMPTY',
    `Fetching ${resource.id} ended: ${resource.path} ${found}; expected some.`,
    {
      at: resource.at,
      next: 'Correct the SELECT. The table keeps its former rows.',
    },
  );
}

type BatchOptions = Pick<InventoryExtractOptions, 'database' | 'env' | 'project' | 'resource'> & {
  /** Leaves the batches as they are. */
  readonly isForeseen?: boolean;
};

/** The landed objects of the inventory in their batches, each batch in the inventory's order. */
async function batchLists(
  options: BatchOptions,
  { objects: expected, types }: ExpectedObjects,
): Promise<{ readonly path: string; readonly list: Buffer; readonly entries: readonly BatchEntry[] }[]> {
  const { database, resource } = options;
  const key = keyOf(options);
  const lines = await inventoryLines(database, key);
  const members = expected.flatMap(({ url, columns }) => {
    const line = lines.get(url);
    return line?.sha256 == null ? [] : [{ ...line, url, columns, sha256: line.sha256, bytes: line.bytes ?? 0 }];
  });
  const isAlone = resource.parse === undefined;
  const assigned = assignBatches(members, isAlone);
  if (options.isForeseen !== true && assigned.size > 0) await saveBatches(database, key, assigned);
  const batches = new Map<number, (typeof members)[number][]>();
  for (const member of members) {
    const number = member.batch ?? assigned.get(member.url)!;
    const batch = batches.get(number);
    if (batch === undefined) batches.set(number, [member]);
    else batch.push(member);
  }
  return [...batches.entries()]
    .sort(([one], [other]) => one - other)
    .map(([number, entries]) => ({
      path: isAlone ? entries[0]!.url : `${resource.path}#${number}`,
      list: writeBatchList({ types, entries }),
      entries,
    }));
}

/** The same error, with the resource and its place in plumbline.yaml. */
function ofResource(error: unknown, { id, at }: ResourceConfig): unknown {
  if (!(error instanceof PipelineError)) return error;
  return error.prefixed(`${id}: `, { at, details: { ...error.details, resource: id } });
}

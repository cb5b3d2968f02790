import { stat } from 'node:fs/promises';
import { TerminalError, TransientError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import type { ArtifactRef, ArtifactStore } from '../../model/artifact.js';
import type { Database } from '../../model/database.js';
import { withOpenFile } from '../../model/open-file.js';
import type { ResourceConfig } from '../../model/project.js';
import type { ExtractedObject } from '../load/load-result.js';
import { isS3 } from '../../s3/location.js';
import { extractS3 } from './extract-s3.js';
import { extractUrl, isUrl } from './extract-url.js';
import { beginningOf, SMALL_BYTES } from '../read/open-bytes.js';
import { inOrder } from './in-order.js';
import { inspectFile } from './inspect-file.js';
import { isArchive, withZipMembers, type ZipMember } from './zip-members.js';
import { matchFiles, type MatchedFile } from './match-files.js';

export interface ExtractOptions {
  readonly database: Database;
  readonly store: ArtifactStore;
  readonly env: string;
  readonly project: string;
  /** The project's folder; relative paths start there. */
  readonly root: string;
  readonly resource: ResourceConfig;
  readonly runId: string;
  readonly now: Date;
  /** Read every file again, whatever its size and times say. @default false */
  readonly force?: boolean;
  /** Where `env:` references are looked up. @default that of the process */
  readonly environment?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: {
    readonly files: number;
    readonly filesTotal: number;
    readonly bytes: number;
  }) => void;
}

/**
 * Puts every file or S3 object of a resource, or what its URL gives, into the artifact store, with a line in plumbline.raw_objects each. Objects come in the
 * order of their paths; each member of a zip archive is an object of its own. A file whose size and times are those of its last line is not read again, nor is a member of an archive
 * whose size and checksum are. Idempotent.
 * Throws `ELT_FILE_…`, `ELT_ZIP_…` (terminal), `ELT_FILE_CHANGED` (transient: the file was written to while it was read).
 */
export async function extractFiles(options: ExtractOptions): Promise<ExtractedObject[]> {
  if (isUrl(options.resource.path)) return extractUrl(options);
  if (isS3(options.resource.path)) return extractS3(options);
  const { root, resource, signal, onProgress } = options;
  const files = await matchFiles(root, resource);
  const objects: ExtractedObject[] = [];
  let bytes = 0;
  let filesDone = 0;
  for (let start = 0; start < files.length; start += FILES_PER_STATEMENT) {
    const some = files.slice(start, start + FILES_PER_STATEMENT);
    const known = await knownObjects(some, options);
    const landed = await inOrder(some, FILES_AT_ONCE, signal, async (file) => {
      const found = await extractFile(file, known.get(file.path), options);
      for (const object of found) bytes += object.bytes;
      filesDone++;
      onProgress?.({ files: filesDone, filesTotal: files.length, bytes });
      return found;
    });
    objects.push(...(await addLines(landed.flat(), options)));
  }
  return objects;
}

// An attempt that dies repeats so many at most.
const FILES_PER_STATEMENT = 500;
// Most of a small file's time is waiting for the disk.
const FILES_AT_ONCE = 8;

/** A raw object in the store, before the manifest has its line. */
interface LandedObject {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly mtimeMs: number;
  /** What else is seen of it without reading it: the manifest's `etag` of a local file. */
  readonly mark: string;
  /** When its bytes were read last, as ISO or PostgreSQL's text. */
  readonly fetchedAt: string;
}

async function extractFile(
  file: MatchedFile,
  known: KnownObject | undefined,
  options: ExtractOptions,
): Promise<LandedObject[]> {
  const { resource } = options;
  const { path } = file;
  try {
    if (isArchive(path, resource)) {
      const { mtimeMs } = await stat(file.absolute);
      return await extractMembers(file, mtimeMs, options);
    }
    return [(await unchangedFile(file, known, options)) ?? (await landFile(file, options))];
  } catch (error) {
    throw unreadable(error, file, resource);
  }
}

/** What the file was before, seen without opening it. */
async function unchangedFile(
  { absolute, path }: MatchedFile,
  known: KnownObject | undefined,
  options: ExtractOptions,
): Promise<LandedObject | undefined> {
  if (known === undefined || options.force === true) return undefined;
  const { size, mtimeMs, ctimeMs } = await stat(absolute);
  const mark = markOf(ctimeMs);
  const there = await stillThere(known, { size, mtimeMs, ctimeMs, mark }, options);
  return there && { path, mtimeMs, mark, ...there };
}

/** Opens a file once; what is small is read at once, and is what it was then, whatever becomes of the file. */
async function landFile(file: MatchedFile, { store, resource, now }: ExtractOptions): Promise<LandedObject> {
  const { absolute, path } = file;
  const { before, head, after } = await withOpenFile(absolute, async (open) => ({
    before: open.stat(),
    head: await beginningOf(open),
    after: open.stat(),
  }));
  await inspectFile(file, resource, head);
  const isSmall = head.length < SMALL_BYTES;
  const stored = await (isSmall ? store.put(head) : store.putFile(absolute));
  const { size, mtimeMs } = isSmall ? after : await stat(absolute);
  if (mtimeMs !== before.mtimeMs || size !== before.size || stored.bytes !== size) throw changed(file);
  return { path, mtimeMs, mark: markOf(before.ctimeMs), fetchedAt: now.toISOString(), ...stored };
}

function markOf(ctimeMs: number): string {
  return `ctime ${ctimeMs}`;
}

/** The members' bytes are the raw objects: a new archive with the same members is nothing new. */
async function extractMembers(file: MatchedFile, mtimeMs: number, options: ExtractOptions): Promise<LandedObject[]> {
  return withZipMembers(file, options.resource, async (members) => {
    const known = await knownObjects(members, options);
    const objects: LandedObject[] = [];
    for (const member of members) {
      options.signal?.throwIfAborted();
      objects.push(await extractMember(member, known.get(member.path), mtimeMs, options));
    }
    if ((await stat(file.absolute)).mtimeMs !== mtimeMs) throw changed(file);
    return objects;
  });
}

async function extractMember(
  member: ZipMember,
  known: KnownObject | undefined,
  mtimeMs: number,
  options: ExtractOptions,
): Promise<LandedObject> {
  const { store, resource, now } = options;
  const { path } = member;
  const mark = `crc32 ${member.crc32.toString(16)}`;
  const there = await stillThere(known, { size: member.bytes, mtimeMs, mark }, options);
  if (there !== undefined) return { path, mtimeMs, mark, ...there };
  const stored = await store.put(member.open());
  await inspectFile({ absolute: await store.localPath(stored.sha256), path }, resource);
  return { path, mtimeMs, mark, fetchedAt: now.toISOString(), ...stored };
}

function changed({ path }: MatchedFile): TransientError {
  return new TransientError('ELT_FILE_CHANGED', `Reading ${path} failed: it changed while it was read.`, {
    at: { file: path },
    next: 'Nothing: the step is tried again. Write such files beside and rename them.',
  });
}

// A write within the clock's grain of the last reading may leave size and time as they were.
const SETTLED_MS = 2_000;

/** The newest line of a path. */
interface KnownObject {
  readonly sha256: string;
  readonly bytes: number;
  readonly mtimeMs: number;
  readonly fetchedAt: string;
  readonly fetchedMs: number;
  /** Absent in lines of an older version: their files are read again. */
  readonly mark: string | null;
}

/** What is seen of a file or a member without reading it. */
interface Seen {
  readonly size: number;
  readonly mtimeMs: number;
  /** Of a file: its last change, contents or not, which no program sets at will. */
  readonly ctimeMs?: number;
  /** What else has to be the same, in words. */
  readonly mark: string;
}

/** What a file was before, where all that is seen of it says that it still is, and the store has it. */
async function stillThere(
  known: KnownObject | undefined,
  { size, mtimeMs, ctimeMs = 0, mark }: Seen,
  { store, force = false }: ExtractOptions,
): Promise<(ArtifactRef & Pick<LandedObject, 'fetchedAt'>) | undefined> {
  if (force || known === undefined || known.mark !== mark) return undefined;
  if (known.bytes !== size || known.mtimeMs !== Math.floor(mtimeMs)) return undefined;
  if (known.fetchedMs <= Math.max(mtimeMs, ctimeMs) + SETTLED_MS) return undefined;
  const { sha256, bytes, fetchedAt } = known;
  return (await store.has(sha256)) ? { sha256, bytes, fetchedAt } : undefined;
}

async function knownObjects(
  files: readonly Pick<MatchedFile, 'path'>[],
  { database, env, project, resource }: ExtractOptions,
): Promise<Map<string, KnownObject>> {
  const rows = await database.query<KnownObject & { path: string }>(
    `SELECT DISTINCT ON (path) path, sha256, bytes::float8 AS bytes, mtime_ms::float8 AS "mtimeMs", fetched_at AS "fetchedAt",
       extract(epoch FROM fetched_at)::float8 * 1000 AS "fetchedMs", etag AS mark
     FROM plumbline.raw_objects WHERE env = $1 AND project = $2 AND resource = $3 AND path = ANY($4) ORDER BY path, seen_at DESC`,
    [env, project, resource.id, files.map(({ path }) => path)],
    { isKept: true },
  );
  return new Map(rows.map(({ path, ...known }) => [path, known]));
}

/** Writes the manifest; says of each object whether its path had this content before. */
async function addLines(
  landed: readonly LandedObject[],
  { database, env, project, resource, runId, now }: ExtractOptions,
): Promise<ExtractedObject[]> {
  await failpoint('extract.stored');
  const rows = await database.query<{ path: string; isNew: boolean }>(
    `INSERT INTO plumbline.raw_objects (env, project, source, resource, path, sha256, bytes, mtime_ms, etag, fetched_at, seen_at, run_id)
     SELECT $1, $2, $3, $4, path, sha256, bytes, mtime_ms, mark, "fetchedAt", $6, $7
     FROM jsonb_to_recordset($5) AS l (path text, sha256 text, bytes bigint, mtime_ms bigint, mark text, "fetchedAt" timestamptz)
     ON CONFLICT (env, project, resource, path, sha256) DO UPDATE
       SET seen_at = excluded.seen_at, mtime_ms = excluded.mtime_ms, etag = excluded.etag, fetched_at = excluded.fetched_at
     RETURNING path, xmax = 0 AS "isNew"`,
    [
      env,
      project,
      resource.source,
      resource.id,
      JSON.stringify(landed.map(({ mtimeMs, ...line }) => ({ ...line, mtime_ms: Math.floor(mtimeMs) }))),
      now.toISOString(),
      runId,
    ],
    { isKept: true },
  );
  const added = new Set(rows.filter(({ isNew }) => isNew).map(({ path }) => path));
  return landed.map(({ path, sha256, bytes }) => ({ path, sha256, bytes, isUnchanged: !added.has(path) }));
}

function unreadable(error: unknown, file: MatchedFile, resource: ResourceConfig): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== 'EACCES' && code !== 'EPERM') return error;
  return new TerminalError('ELT_FILE_UNREADABLE', `Reading ${file.path} of ${resource.id} failed: ${message}.`, {
    at: resource.at,
    next: 'Give the worker the right to read it.',
    cause: error,
  });
}

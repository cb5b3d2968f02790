import { stat } from 'node:fs/promises';
import { TerminalError, TransientError } from '../../errors.js';
import type { ArtifactStore } from '../../model/artifact.js';
import type { Database } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import type { ExtractedObject } from '../load/load-result.js';
import { isS3 } from '../../s3/location.js';
import { extractS3 } from './extract-s3.js';
import { extractUrl, isUrl } from './extract-url.js';
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
 * order of their paths; each member of a zip archive is an object of its own. A file whose size and time are those of its last line is not read again. Idempotent.
 * Throws `ELT_FILE_…`, `ELT_ZIP_…` (terminal), `ELT_FILE_CHANGED` (transient: the file was written to while it was read).
 */
export async function extractFiles(options: ExtractOptions): Promise<ExtractedObject[]> {
  if (isUrl(options.resource.path)) return extractUrl(options);
  if (isS3(options.resource.path)) return extractS3(options);
  const files = await matchFiles(options.root, options.resource);
  const objects: ExtractedObject[] = [];
  let bytes = 0;
  let filesDone = 0;
  for (const file of files) {
    options.signal?.throwIfAborted();
    for (const object of await extractFile(file, options)) {
      objects.push(object);
      bytes += object.bytes;
    }
    filesDone++;
    options.onProgress?.({ files: filesDone, filesTotal: files.length, bytes });
  }
  return objects;
}

async function extractFile(file: MatchedFile, options: ExtractOptions): Promise<ExtractedObject[]> {
  const { store, resource } = options;
  try {
    const before = await stat(file.absolute);
    if (isArchive(file.path, resource)) return await extractMembers(file, before.mtimeMs, options);
    const known = await knownObject(file, before, options);
    if (known !== undefined) {
      await addLine(file, before.mtimeMs, known, options);
      return [{ path: file.path, ...known, isUnchanged: true }];
    }
    await inspectFile(file, resource);
    const stored = await store.putFile(file.absolute);
    const after = await stat(file.absolute);
    if (after.mtimeMs !== before.mtimeMs || after.size !== before.size || stored.bytes !== before.size)
      throw changed(file);
    const isUnchanged = await addLine(file, before.mtimeMs, stored, options);
    return [{ path: file.path, ...stored, isUnchanged }];
  } catch (error) {
    throw unreadable(error, file, resource);
  }
}

/** The members' bytes are the raw objects: a new archive with the same members is nothing new. */
async function extractMembers(file: MatchedFile, mtimeMs: number, options: ExtractOptions): Promise<ExtractedObject[]> {
  return withZipMembers(file, options.resource, async (members) => {
    const objects: ExtractedObject[] = [];
    for (const member of members) {
      options.signal?.throwIfAborted();
      objects.push(await extractMember(member, mtimeMs, options));
    }
    if ((await stat(file.absolute)).mtimeMs !== mtimeMs) throw changed(file);
    return objects;
  });
}

async function extractMember(member: ZipMember, mtimeMs: number, options: ExtractOptions): Promise<ExtractedObject> {
  const { store, resource } = options;
  const { path } = member;
  const known = await knownObject(member, { size: member.bytes, mtimeMs }, options);
  const stored = known ?? (await store.put(member.open()));
  if (known === undefined) await inspectFile({ absolute: await store.localPath(stored.sha256), path }, resource);
  const isUnchanged = await addLine(member, mtimeMs, stored, options);
  return { path, ...stored, isUnchanged };
}

function changed({ path }: MatchedFile): TransientError {
  return new TransientError('ELT_FILE_CHANGED', `Reading ${path} failed: it changed while it was read.`, {
    at: { file: path },
    next: 'Nothing: the step is tried again. Write such files beside and rename them.',
  });
}

// A write within the clock's grain of the last reading may leave size and time as they were.
const SETTLED_MS = 2_000;

async function knownObject(
  file: Pick<MatchedFile, 'path'>,
  { size, mtimeMs }: { readonly size: number; readonly mtimeMs: number },
  { database, store, env, project, resource }: ExtractOptions,
): Promise<{ sha256: string; bytes: number } | undefined> {
  const rows = await database.query<{ sha256: string; bytes: number }>(
    `SELECT sha256, bytes::float8 AS bytes FROM (
       SELECT * FROM plumbline.raw_objects WHERE env = $1 AND project = $2 AND resource = $3 AND path = $4
       ORDER BY seen_at DESC LIMIT 1) AS newest
     WHERE bytes = $5 AND mtime_ms = $6 AND extract(epoch FROM fetched_at) * 1000 > mtime_ms + $7`,
    [env, project, resource.id, file.path, size, Math.floor(mtimeMs), SETTLED_MS],
  );
  const known = rows[0];
  return known !== undefined && (await store.has(known.sha256)) ? known : undefined;
}

/** @returns whether the path had this content before */
async function addLine(
  file: Pick<MatchedFile, 'path'>,
  mtimeMs: number,
  stored: { readonly sha256: string; readonly bytes: number },
  { database, env, project, resource, runId, now }: ExtractOptions,
): Promise<boolean> {
  const rows = await database.query<{ isNew: boolean }>(
    `INSERT INTO plumbline.raw_objects AS o (env, project, source, resource, path, sha256, bytes, mtime_ms, fetched_at, seen_at, run_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)
     ON CONFLICT (env, project, resource, path, sha256) DO UPDATE
       SET seen_at = excluded.seen_at, mtime_ms = excluded.mtime_ms,
           fetched_at = CASE WHEN o.mtime_ms = excluded.mtime_ms THEN o.fetched_at ELSE excluded.fetched_at END
     RETURNING xmax = 0 AS "isNew"`,
    [
      env,
      project,
      resource.source,
      resource.id,
      file.path,
      stored.sha256,
      stored.bytes,
      Math.floor(mtimeMs),
      now.toISOString(),
      runId,
    ],
  );
  return rows[0]?.isNew === false;
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

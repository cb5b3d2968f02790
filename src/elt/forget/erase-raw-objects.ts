import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TerminalError } from '../../errors.js';
import type { Queryable } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { withSource } from '../read/open-source.js';
import { nameColumns } from '../schema/name-columns.js';
import { columnType, erase, type Erasure } from './erase-place.js';
import { normalKey } from './key-hash.js';
import { redactObject } from './redact-object.js';

interface RawObject {
  readonly sha256: string;
  /** As the project names it. */
  readonly path: string;
}

/** Of a resource, by itself, as a page, or in a batch; the list of a batch has no rows. */
const RAW_OBJECTS = `SELECT DISTINCT ON (sha256) sha256, path FROM (
  SELECT sha256, path FROM plumbline.raw_objects WHERE env = $1 AND project = $2 AND resource = $3
  UNION ALL SELECT sha256, url FROM plumbline.inventory WHERE env = $1 AND project = $2 AND resource = $3 AND sha256 IS NOT NULL
  UNION ALL SELECT p.sha256, 'a page of ' || $3 FROM plumbline.raw_pages p JOIN plumbline.extracts e USING (extract_id)
    WHERE e.env = $1 AND e.project = $2 AND e.resource = $3 AND p.sha256 IS NOT NULL
  UNION ALL SELECT l.sha256, l.path FROM plumbline.loads l WHERE l.env = $1 AND l.project = $2 AND l.resource = $3
    AND NOT EXISTS (SELECT FROM plumbline.batch_objects b WHERE b.list_sha256 = l.sha256)
  UNION ALL SELECT b.sha256, b.url FROM plumbline.batch_objects b JOIN plumbline.loads l ON l.sha256 = b.list_sha256
    WHERE l.env = $1 AND l.project = $2 AND l.resource = $3) AS object
ORDER BY sha256, path`;

/**
 * Writes the raw objects of the key's sources anew without its rows, under the names they have; deletes those that cannot be written so.
 * Gives, one sentence each, what was not looked into.
 */
export async function eraseRawObjects(work: Erasure): Promise<string[]> {
  const { database, project, key } = work;
  const left: string[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-forget-'));
  try {
    for (const { resource: id, column } of key.sources) {
      const resource = project.resources.find((one) => one.id === id)!;
      // Rows of a database are not kept as objects.
      if (resource.type === 'postgres') continue;
      const type = resource.columns[column] ?? (await columnType(database, project.schemas.raw, resource.table, column)) ?? 'text'; // prettier-ignore
      for (const object of await database.query<RawObject>(RAW_OBJECTS, [project.env, project.name, id])) {
        work.signal?.throwIfAborted();
        const why = await eraseObject(work, { ...object, resource, column, type, folder });
        if (why !== undefined) left.push(why);
      }
    }
    if (!work.dryRun) await sweepRedacted(work);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return left;
}

interface PersonalObject extends RawObject {
  readonly resource: ResourceConfig;
  readonly column: string;
  readonly type: string;
  readonly folder: string;
}

/** Gives why it was not looked into, if so. */
async function eraseObject(work: Erasure, object: PersonalObject): Promise<string | undefined> {
  const { store, value, dryRun, signal } = work;
  const { sha256, path: file, resource, column, type, folder } = object;
  // What is on record, whatever this process remembers: an attempt that died a moment ago may have rewritten it.
  const [redacted] = await work.database.query<{ replacement: string }>(
    'SELECT replacement FROM plumbline.redactions WHERE sha256 = $1',
    [sha256],
  );
  const name = redacted?.replacement ?? sha256;
  if (!(await store.has(name))) return undefined;
  const place = `${file} ${sha256}`;
  if (resource.parse !== undefined)
    return `Raw object ${place} is read by ${resource.parse.file}, which alone knows its rows: it was not looked into.`;
  const target = join(folder, 'rewritten');
  const sought = normalKey(value, type);
  const isTheirs = (text: string): boolean => text === value || normalKey(text, type) === sought;
  const path = await store.localPath(name);
  try {
    const rows = await redactObject({ path, file, resource, column, isTheirs, value, target, folder, ...(signal && { signal }) }); // prettier-ignore
    if (rows === 0) return undefined;
    if (rows !== undefined) {
      const replacement = dryRun ? '' : (await store.putFile(target)).sha256;
      await erase(work, 'raw object', place, (session) => redirect(session, work, sha256, replacement, rows), 'rewritten');
      return undefined;
    }
    const found = await countRows(object, path, isTheirs, signal);
    if (found === 0) return undefined;
    await erase(work, 'raw object', place, async (session) => {
      await giveUpLoads(session, sha256);
      return found;
    });
    // Counted first: an attempt that dies between the two finds it again, and counts it twice rather than not at all.
    if (!dryRun) await store.sweep([{ sha256: name, bytes: 0, usedMs: 0 }], Infinity);
    return undefined;
  } catch (error) {
    if (!(error instanceof TerminalError)) throw error;
    return `Raw object ${place} could not be read: ${error.message}`;
  } finally {
    await rm(target, { force: true });
  }
} // prettier-ignore

/** From now on whoever asks for the object gets its replacement. */
async function redirect(
  session: Queryable,
  { erasureId }: Erasure,
  sha256: string,
  replacement: string,
  rows: number,
): Promise<number> {
  await giveUpLoads(session, sha256);
  // What an earlier erasure made of it goes too, under the same rule.
  await session.execute(
    `INSERT INTO plumbline.redactions (sha256, replacement, erasure_id)
     SELECT $1, $2, $3 UNION SELECT replacement, $2, $3 FROM plumbline.redactions WHERE sha256 = $1 AND replacement <> $2
     ON CONFLICT (sha256) DO UPDATE SET replacement = excluded.replacement, erasure_id = excluded.erasure_id, at = now()`,
    [sha256, replacement, erasureId],
  );
  return rows;
}

/** A load that stopped in the middle counts the rows of the object as it was: the next run begins it anew. */
async function giveUpLoads(session: Queryable, sha256: string): Promise<void> {
  await session.execute(
    `UPDATE plumbline.loads SET status = 'failed', stage_table = NULL, token = token + 1,
       error = '{"code": "ELT_LOAD_FENCED", "message": "rows of its object were forgotten"}'
     WHERE status = 'loading'
       AND (sha256 = $1 OR sha256 IN (SELECT list_sha256 FROM plumbline.batch_objects WHERE sha256 = $1))`,
    [sha256],
  );
}

/** What was rewritten by this attempt, or by one that died after it. */
async function sweepRedacted({ database, store, erasureId }: Erasure): Promise<void> {
  const rewritten = await database.query<{ sha256: string }>(
    'SELECT sha256 FROM plumbline.redactions WHERE erasure_id = $1',
    [erasureId],
  );
  await store.sweep(
    rewritten.map(({ sha256 }) => ({ sha256, bytes: 0, usedMs: 0 })),
    Infinity,
  );
}

/** Rows of the key, as a load would read them. */
async function countRows(
  { path: file, resource, column }: PersonalObject,
  path: string,
  isTheirs: (text: string) => boolean,
  signal: AbortSignal | undefined,
): Promise<number> {
  const parts = [{ name: file, path, columns: '{}' }];
  const existing = new Map<string, ColumnType>();
  return withSource({ parts, types: {}, file, resource, existing, signal }, async (duckdb, source) => {
    const index = nameColumns(source.headers, file).names.indexOf(column);
    if (index === -1) return 0;
    const connection = await duckdb();
    const counted = await connection.runAndReadAll(
      `SELECT c${index}::VARCHAR, count(*)::VARCHAR FROM ${source.relation} WHERE c${index} IS NOT NULL GROUP BY 1`,
    );
    return counted.getRows().reduce((sum, [text, rows]) => sum + (isTheirs(String(text)) ? Number(rows) : 0), 0);
  });
}

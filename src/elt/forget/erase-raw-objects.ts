import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TerminalError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import { withObjectName } from '../../model/object-name.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { withSource } from '../read/open-source.js';
import { nameColumns } from '../schema/name-columns.js';
import { columnType, erase, type Erasure } from './erase-place.js';
import { normalKey } from './key-hash.js';
import { redactObject } from './redact-object.js';
import { redirectObject } from './redirect-object.js';
import { sweepOriginals } from './sweep-originals.js';

interface RawObject {
  readonly sha256: string;
  /** As the project names it. */
  readonly path: string;
  /** Rows that somebody corrected, always CSV; else as the source has it. */
  readonly isCorrected: boolean;
}

/** Of a resource, by itself, as a page, or in a batch; the list of a batch has no rows. */
const RAW_OBJECTS = `SELECT DISTINCT ON (sha256) sha256, path, "isCorrected" FROM (
  SELECT sha256, path, false AS "isCorrected" FROM plumbline.raw_objects WHERE env = $1 AND project = $2 AND resource = $3
  UNION ALL SELECT r.file_sha256, 'corrected rows of load ' || l.load_id, true FROM plumbline.reject_retries r JOIN plumbline.loads l USING (load_id)
    WHERE l.env = $1 AND l.project = $2 AND l.resource = $3 AND r.file_sha256 IS NOT NULL
  UNION ALL SELECT sha256, url, false FROM plumbline.inventory WHERE env = $1 AND project = $2 AND resource = $3 AND sha256 IS NOT NULL
  UNION ALL SELECT p.sha256, 'a page of ' || $3, false FROM plumbline.raw_pages p JOIN plumbline.extracts e USING (extract_id)
    WHERE e.env = $1 AND e.project = $2 AND e.resource = $3 AND p.sha256 IS NOT NULL
  UNION ALL SELECT l.sha256, l.path, false FROM plumbline.loads l WHERE l.env = $1 AND l.project = $2 AND l.resource = $3
    AND NOT EXISTS (SELECT FROM plumbline.batch_objects b WHERE b.list_sha256 = l.sha256)
  UNION ALL SELECT b.sha256, b.url, false FROM plumbline.batch_objects b JOIN plumbline.loads l ON l.sha256 = b.list_sha256
    WHERE l.env = $1 AND l.project = $2 AND l.resource = $3) AS object
ORDER BY sha256, path`;

/**
 * Writes the raw objects of the key's sources anew without its rows, under the names they have; those that cannot be written so are gone
 * for the project until it fetches them again. Gives, one sentence each, what was not looked into and what stays in the store for others.
 */
export async function eraseRawObjects(work: Erasure): Promise<string[]> {
  const { database, project, key } = work;
  const left: string[] = [];
  const files = new Map<string, string>();
  const found: string[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-forget-'));
  try {
    for (const { resource: id, column } of key.sources) {
      const resource = project.resources.find((one) => one.id === id)!;
      // Rows of a database are not kept as objects.
      if (resource.type === 'postgres') continue;
      const type = resource.columns[column] ?? (await columnType(database, project.schemas.raw, resource.table, column)) ?? 'text'; // prettier-ignore
      const named = await database.query<RawObject>(RAW_OBJECTS, [project.env, project.name, id]);
      const objects = named.map(withObjectName);
      const { parse: _parse, csv: _csv, ...plain } = resource;
      for (const object of objects) {
        const read: ResourceConfig = object.isCorrected
          ? { ...plain, format: 'csv', encoding: 'utf-8', csv: {} }
          : resource;
        work.signal?.throwIfAborted();
        files.set(object.sha256, object.path);
        const { why, rows } = await eraseObject(work, { ...object, resource: read, column, type, folder });
        if (why !== undefined) left.push(why);
        if (rows > 0) found.push(object.sha256);
      }
    }
    return [...left, ...(await sweepOriginals(work, files, found))];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface PersonalObject extends RawObject {
  readonly resource: ResourceConfig;
  readonly column: string;
  readonly type: string;
  readonly folder: string;
}

interface Looked {
  readonly rows: number;
  /** It was not looked into. */
  readonly why?: string;
}

async function eraseObject(work: Erasure, object: PersonalObject): Promise<Looked> {
  const { store, project, value, dryRun, signal } = work;
  const { sha256, path: file, resource, column, type, folder } = object;
  const [redacted] = await work.database.query<{ replacement: string | null }>(
    'SELECT replacement FROM plumbline.redactions WHERE env = $1 AND project = $2 AND sha256 = $3',
    [project.env, project.name, sha256],
  );
  const name = redacted === undefined ? sha256 : redacted.replacement;
  const place = `${file} ${sha256}`;
  if (name === null) return { rows: 0 };
  if (resource.parse !== undefined && (await store.has(name)))
    return {
      rows: 0,
      why: `Raw object ${place} is read by ${resource.parse.file}, which alone knows its rows: it was not looked into.`,
    };
  const target = join(folder, 'rewritten');
  const sought = normalKey(value, type);
  const isTheirs = (text: string): boolean => text === value || normalKey(text, type) === sought;
  try {
    // Not asked for by `has`: that were a use, and a run of another project might be taken for the one that used it.
    const path = await store.localPath(name);
    const rewritten = await redactObject({ path, file, resource, column, type, isTheirs, value, target, folder, ...(signal && { signal }) }); // prettier-ignore
    const rows = rewritten ?? (await countRows(object, path, isTheirs, signal));
    if (rows === 0) return { rows };
    const replacement = rewritten === undefined || dryRun ? null : (await store.putFile(target)).sha256;
    await failpoint('forget.rewritten');
    const outcome = rewritten === undefined ? 'deleted' : 'rewritten';
    await erase(work, 'raw object', place, async (session) => {
      await redirectObject(session, work, { sha256, name, replacement, rows });
      return rows;
    }, outcome); // prettier-ignore
    return { rows };
  } catch (error) {
    if (!(error instanceof TerminalError)) throw error;
    if (error.code === 'STORE_OBJECT_MISSING') return { rows: 0 };
    return { rows: 0, why: `Raw object ${place} could not be read: ${error.message}` };
  } finally {
    await rm(target, { force: true });
  }
}

/** Rows of the key, as a load would read them. */
async function countRows(
  { path: file, resource: { contract: _refusesNoRow, ...resource }, column }: PersonalObject,
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

import type { Queryable } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { unitOf } from './claim-load.js';
import type { ResourceKey } from './claim-publication.js';
import type { ExtractedObject } from './load-result.js';

/**
 * The objects, with a mark at those that are loaded and have to be read anew: a row of theirs made way for another object's, which may have it
 * no more. Files keep their order, so nothing can come back as long as each that is loaded is still there as it was. Duplicates
 * within a load are in its quarantine. A load whose quarantined rows were put right stays as it is: read anew, it would lose them.
 */
export async function markShortened<T extends Pick<ExtractedObject, 'path' | 'sha256' | 'interval'>>(
  database: Queryable,
  { env, project }: Omit<ResourceKey, 'resource'>,
  resource: ResourceConfig,
  objects: readonly T[],
): Promise<readonly (T & Pick<ExtractedObject, 'isShortened'>)[]> {
  const { id, type, write, primaryKey, inventory } = resource;
  const isOfFiles = type === 'files' && inventory === undefined;
  // What is merged, or appended from files, makes no way; a table of PostgreSQL is one load.
  const makesWay = type !== 'postgres' && write !== 'merge' && !(type === 'files' && write === 'append');
  if (!makesWay || primaryKey.length === 0) return objects;
  const found = await database.query<{ unit: string }>(
    `SELECT unit FROM plumbline.loads AS l
     WHERE env = $1 AND project = $2 AND resource = $3 AND status = 'published' AND unit = ANY($4) AND rows_duplicate > 0
       AND rows_duplicate > (SELECT count(*) FROM plumbline.rejects AS r WHERE r.load_id = l.load_id AND kind = 'duplicate')
       AND NOT EXISTS (SELECT FROM plumbline.reject_retries AS r WHERE r.load_id = l.load_id AND rows_accepted > 0)
       AND ($5 OR EXISTS (SELECT FROM plumbline.loads AS gone
         WHERE env = $1 AND project = $2 AND resource = $3 AND status = 'published'
           AND NOT EXISTS (SELECT FROM unnest($4::text[]) AS now (unit) WHERE now.unit = gone.unit)))`,
    [env, project, id, objects.map(unitOf), !isOfFiles],
  );
  const shortened = new Set(found.map(({ unit }) => unit));
  return objects.map((object) => (shortened.has(unitOf(object)) ? { ...object, isShortened: true } : object));
}

import { columnType, type Erasure } from './erase-place.js';
import { findSalt, keyHash, normalKey } from './key-hash.js';
import { typedKey } from './typed-key.js';

/** The key as given, and as the columns of its sources write it: 042 is 42 in a column of numbers. */
export async function findSpellings({
  database,
  project,
  key,
  value,
}: Pick<Erasure, 'database' | 'project' | 'key' | 'value'>): Promise<string[]> {
  const found = new Set([value]);
  for (const { resource: id, column } of key.sources) {
    const resource = project.resources.find((one) => one.id === id)!;
    const type = await columnType(database, project.schemas.raw, resource.table, column);
    const typed = type == null ? null : await typedKey(database, value, type);
    found.add(normalKey(typed ?? value, type ?? resource.columns[column]));
  }
  return [...found];
}

/** Loads compare a key as its column writes it, so that each way of writing it is on record; the same again changes nothing. */
export async function recordSpellings({ database, project, erasureId, spellings }: Erasure): Promise<void> {
  if (spellings.length === 1) return;
  const salt = await findSalt(database, project.env, project.name);
  for (const [index, spelling] of spellings.entries())
    if (index > 0 && salt !== undefined)
      await database.execute(
        `INSERT INTO plumbline.erasures (erasure_id, env, project, key_name, key_hash, dry_run, reason, requested_by, requested_at, ended_at)
         SELECT erasure_id || '/' || $2, env, project, key_name, $3, false, 'as a source writes ' || erasure_id, requested_by, requested_at, clock_timestamp()
         FROM plumbline.erasures WHERE erasure_id = $1 ON CONFLICT DO NOTHING`,
        [erasureId, String(index + 1), keyHash(salt, spelling)],
      );
}

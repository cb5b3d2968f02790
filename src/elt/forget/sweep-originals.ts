import { failpoint } from '../../failpoint.js';
import type { Queryable } from '../../model/database.js';
import type { Erasure } from './erase-place.js';
import { heldByOthers } from './held-by-others.js';

/** Before the start of a run: its store does not note a use of what is newer than 20 minutes, and clocks differ. */
const MARGIN_MS = 30 * 60_000;

/**
 * Deletes what this erasure rewrote, by this attempt or by one that died after it. What other projects work with stays for them, and what
 * they may be about to refer to is left to `gc`. Gives a sentence for each original that is still in the store, whichever key it was
 * rewritten for.
 */
export async function sweepOriginals(
  { database, store, project, erasureId, dryRun }: Pick<Erasure, 'database' | 'store' | 'project' | 'erasureId' | 'dryRun'>,
  /** Of the objects that a dry run would rewrite; of others too. */
  files: ReadonlyMap<string, string>,
  found: readonly string[],
): Promise<string[]> {
  const rewritten = await database.query<{ sha256: string; isNew: boolean }>(
    'SELECT sha256, erasure_id = $3 AS "isNew" FROM plumbline.redactions WHERE env = $1 AND project = $2 ORDER BY sha256',
    [project.env, project.name, erasureId],
  );
  const originals = [...new Set([...rewritten.map(({ sha256 }) => sha256), ...found])];
  const held = await heldByOthers(database, project, originals);
  const own = rewritten.filter(({ sha256, isNew }) => isNew && !held.has(sha256)).map(({ sha256 }) => sha256);
  const inUse = dryRun ? [] : await sweep({ database, store, project }, own);
  const left: string[] = [];
  const place = (sha256: string): string => [files.get(sha256), sha256].filter((part) => part !== undefined).join(' ');
  for (const [sha256, holders] of held)
    if (await store.has(sha256))
      left.push(`Raw object ${place(sha256)} has rows of whom ${project.name} (${project.env}) forgets, and belongs to ${holders} too: there it stays as it is. Forget the key there, or delete what it is for there; then \`plumbline gc\` deletes it.`); // prettier-ignore
  for (const sha256 of inUse)
    left.push(`Raw object ${place(sha256)} was used by a run that goes on: \`plumbline gc\` deletes it once nothing refers to it.`); // prettier-ignore
  return left;
} // prettier-ignore

/** Gives what is still there. */
async function sweep(
  { database, store, project }: Pick<Erasure, 'database' | 'store' | 'project'>,
  objects: readonly string[],
): Promise<string[]> {
  const usedBefore = await notUsedSince(database, project);
  await failpoint('forget.before-sweep');
  const gone = await store.sweep(objects.map((sha256) => ({ sha256, bytes: 0, usedMs: 0 })), usedBefore); // prettier-ignore
  const names = new Set(gone.map(({ sha256 }) => sha256));
  const there: string[] = [];
  for (const sha256 of objects) if (!names.has(sha256) && (await store.has(sha256))) there.push(sha256);
  return there;
}

/**
 * Milliseconds since 1970: what was used since may be referred to soon, by a run of another project that has not recorded it yet; and what is
 * used from now on by one of this project, which has taken it over from an attempt that froze here.
 */
async function notUsedSince(database: Queryable, { env, name }: Erasure['project']): Promise<number> {
  const [row] = await database.query<{ beforeMs: number }>(
    `SELECT extract(epoch FROM least(clock_timestamp(), min(r.started_at) - $3::float8 * interval '1 millisecond'))::float8 * 1000 AS "beforeMs"
     FROM plumbline.runs r WHERE r.status = 'running' AND (r.env, r.project) <> ($1, $2)
       AND EXISTS (SELECT FROM plumbline.leases l WHERE l.holder = r.run_id AND l.expires_at > now() - interval '1 hour')`,
    [env, name, MARGIN_MS],
  );
  return row!.beforeMs;
}

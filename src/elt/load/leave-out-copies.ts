import type { Queryable } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { settingsDigest } from './ledger.js';
import type { ExtractedObject } from './load-result.js';

/**
 * The objects without those whose content a table that is appended to has already under another name: files that were renamed or copied. What
 * is left out is a notice of the first that stays. A name that has other content now gives the former content's rows away,
 * so it does not count, nor does what was read with other settings. With `force` only copies among the objects themselves are left out: the publication takes the place of the others.
 */
export async function leaveOutCopies<T extends Pick<ExtractedObject, 'path' | 'sha256' | 'notices'>>(
  database: Queryable,
  of: { readonly env: string; readonly project: string; readonly resource: ResourceConfig; readonly force?: boolean },
  objects: readonly T[],
): Promise<{ readonly objects: readonly T[]; readonly notices: readonly string[] }> {
  const { env, project, resource, force = false } = of;
  if (!isKnownByContent(resource)) return { objects, notices: [] };
  const now = new Map(objects.map(({ path, sha256 }) => [path, sha256]));
  const loaded = await database.query<{ path: string; sha256: string }>(
    `SELECT path, sha256 FROM plumbline.loads
     WHERE env = $1 AND project = $2 AND resource = $3 AND status = 'published' AND sha256 = ANY($4) AND settings = $5 ORDER BY load_id`,
    [env, project, resource.id, [...new Set(now.values())], settingsDigest(resource)],
    { isKept: true },
  );
  const isStill = ({ path, sha256 }: { readonly path: string; readonly sha256: string }): boolean =>
    (now.get(path) ?? sha256) === sha256;
  const own = new Set(force ? [] : loaded.map(({ path, sha256 }) => `${path}@${sha256}`));
  const first = new Map<string, string>();
  for (const one of force ? [] : loaded) if (isStill(one) && !first.has(one.sha256)) first.set(one.sha256, one.path);
  const notices: string[] = [];
  const kept = objects.filter(({ path, sha256 }) => {
    const other = first.get(sha256);
    if (other === undefined) first.set(sha256, path);
    // What was loaded under both names stays so.
    if (other === undefined || other === path || own.has(`${path}@${sha256}`)) return true;
    notices.push(`${path} is not loaded: it has the content of ${other}.`);
    return false;
  });
  const [head, ...rest] = kept;
  if (head === undefined || notices.length === 0) return { objects: kept, notices };
  return { objects: [{ ...head, notices: [...(head.notices ?? []), told(notices)] }, ...rest], notices };
}

/** Not where the name or the interval makes other rows of the same content. */
export function isKnownByContent({ type, write, interval, inventory, parse }: ResourceConfig): boolean {
  return (
    type === 'files' && write === 'append' && interval === undefined && inventory === undefined && parse === undefined
  );
}

function told([first, ...others]: readonly string[]): string {
  return others.length === 0 ? first! : `${first!} So it is with ${others.length} more.`;
}

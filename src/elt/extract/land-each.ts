import { inOrder } from './in-order.js';
import type { PageRequest } from '../http/api.js';
import type { LandedPage } from './extract-progress.js';
import { landPages, type PagesToLand } from './land-pages.js';
import type { ParentRow } from './parent-rows.js';

export interface EachToLand extends Omit<PagesToLand, 'request' | 'parent' | 'formerPage'> {
  readonly parents: readonly ParentRow[];
  /** What is asked for a row, before its pagination. */
  readonly requestOf: (row: ParentRow['values']) => PageRequest;
}

/**
 * Asks for each row by itself, several at once, and gives all pages, those of the first row first. Goes on behind the pages that are
 * landed: a row whose last page is there is not asked for again.
 */
export async function landEach({ parents, requestOf, landed, ...work }: EachToLand): Promise<LandedPage[]> {
  const { database, resource, extractId, signal } = work;
  const pagesOf = new Map<number, LandedPage[]>();
  for (const page of landed) {
    const place = page.parent ?? 0;
    const before = pagesOf.get(place);
    if (before === undefined) pagesOf.set(place, [page]);
    else before.push(page);
  }
  const rows = parents.map(({ values, columns }, index) => ({ values, parent: { place: index + 1, columns } }));
  const pages = await inOrder(rows, resource.http!.forEach!.parallel, signal, ({ values, parent }, stop) =>
    landPages({ ...work, signal: stop, request: requestOf(values), landed: pagesOf.get(parent.place) ?? [], parent }),
  );
  await database.execute('UPDATE plumbline.extracts SET completed_at = now() WHERE extract_id = $1 AND completed_at IS NULL', [extractId]); // prettier-ignore
  return pages.flat();
}

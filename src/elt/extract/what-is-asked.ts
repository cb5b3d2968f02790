import type { DataInterval } from '../../model/data-interval.js';
import type { Queryable } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { readCursor } from '../cursor/cursor-state.js';
import { cursorBefore } from '../cursor/cursor-value.js';
import { resourceUrl } from './extract-http.js';

/**
 * The first request of a resource, for `plan`: `asks https://api.example.org/orders?since=…, page by page (link); cursor
 * updated_at is at …`. Asks nobody.
 *
 * @param asked.full whether it is asked for everything, whatever the cursor's state
 */
export async function whatIsAsked(
  database: Queryable,
  at: { readonly env: string; readonly project: string },
  { id, http, path, cursor }: ResourceConfig,
  { full, interval }: { readonly full: boolean; readonly interval?: DataInterval | undefined },
): Promise<string> {
  const pages = http!.pagination.type === 'none' ? 'in one page' : `page by page (${http!.pagination.type})`;
  if (cursor === undefined) return `asks ${resourceUrl(http!, path, { interval }).href}, ${pages}`;
  const state = await readCursor(database, { ...at, resource: id }, cursor);
  const askFrom = state === undefined || full ? cursor.initial : cursorBefore(cursor, state);
  const place = state === undefined ? 'has no state yet' : `is at ${state}`;
  return `asks ${resourceUrl(http!, path, { askFrom }).href}, ${pages}; cursor ${cursor.field} ${place}`;
}

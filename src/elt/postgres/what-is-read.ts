import { shownInterval, type DataInterval } from '../../model/data-interval.js';
import type { Queryable } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { readCursor } from '../cursor/cursor-state.js';
import { cursorBefore } from '../cursor/cursor-value.js';

/**
 * What a postgres resource reads and from where, for `plan`: `reads public.orders of env:SHOP_URL from updated_at
 * 2024-05-01T11:00:00Z; cursor updated_at is at …`. Asks nobody.
 *
 * @param asked.full whether it is read whole, whatever the cursor's state
 */
export async function whatIsRead(
  database: Queryable,
  at: { readonly env: string; readonly project: string },
  { id, path, postgres, cursor, interval: by }: ResourceConfig,
  { full, interval }: { readonly full: boolean; readonly interval?: DataInterval | undefined },
): Promise<string> {
  const { connection, parallel = 1 } = postgres!;
  const keys = postgres!.reconciles === true ? ', and all keys, for rows that are gone' : '';
  const reads = `reads ${path} of ${connection}`;
  const lanes = parallel === 1 ? '' : `, over ${parallel} connections`;
  if (by !== undefined)
    return `${reads} where ${by.column} is in ${interval === undefined ? 'the interval of the run' : shownInterval(interval)}`;
  if (cursor === undefined) return `${reads} whole, under one snapshot${lanes}`;
  const state = await readCursor(database, { ...at, resource: id }, cursor);
  const from = state === undefined || full ? cursor.initial : cursorBefore(cursor, state);
  const place = state === undefined ? 'has no state yet' : `is at ${state}`;
  return `${reads} ${from === undefined ? `whole${lanes}` : `from ${cursor.field} ${from} on`}${keys}; cursor ${cursor.field} ${place}`;
}

import type { DataInterval } from '../../model/data-interval.js';
import type { Queryable } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { readCheckpoint } from '../cursor/checkpoint-state.js';
import { readCursor } from '../cursor/cursor-state.js';
import { cursorBefore } from '../cursor/cursor-value.js';
import type { PageRequest } from '../http/api.js';
import { resourceRequest } from './resource-request.js';

/**
 * What an API is asked for, for `plan`: `asks https://api.example.org/orders?since=…, page by page (link); cursor
 * updated_at is at …`, or what is run: `runs issues of sources/github.py; goes on from …`, `runs tap-gitlab for projects from its state
 * {"bookmarks": …}`. Asks nobody and runs nothing.
 *
 * @param asked.full whether it is asked for everything, whatever the cursor's state
 */
export async function whatIsAsked(
  database: Queryable,
  at: { readonly env: string; readonly project: string },
  resource: ResourceConfig,
  { full, interval }: { readonly full: boolean; readonly interval?: DataInterval | undefined },
): Promise<string> {
  const { id, http, path, cursor, program, write } = resource;
  if (resource.type === 'singer') return tapIsRun(database, at, resource, full);
  if (program !== undefined) {
    const isFull = full || write === 'replace';
    const checkpoint = isFull ? undefined : await readCheckpoint(database, { ...at, resource: id });
    const from = checkpoint === undefined ? 'from its beginning' : `goes on from ${checkpoint.slice(0, 100)}`;
    return `runs ${program.function} of ${path}, ${from}`;
  }
  const pages = http!.pagination.type === 'none' ? 'in one page' : `page by page (${http!.pagination.type})`;
  if (cursor === undefined) {
    const { forEach } = http!;
    const each = forEach === undefined ? '' : ` for each row of ${forEach.query.name}`;
    return `asks ${shown(resourceRequest(resource, { interval }))}${each}, ${pages}`;
  }
  const state = await readCursor(database, { ...at, resource: id }, cursor);
  const askFrom = state === undefined || full ? cursor.initial : cursorBefore(cursor, state);
  const place = state === undefined ? 'has no state yet' : `is at ${state}`;
  return `asks ${shown(resourceRequest(resource, { askFrom }))}, ${pages}; cursor ${cursor.field} ${place}`;
}

function shown({ url, body }: PageRequest): string {
  const address = url.replaceAll('%7B', '{').replaceAll('%7D', '}');
  return body === undefined ? address : `POST ${address} with ${shortened(body)}`;
}

async function tapIsRun(
  database: Queryable,
  at: { readonly env: string; readonly project: string },
  { id, path, singer, write }: ResourceConfig,
  full: boolean,
): Promise<string> {
  const tap = `runs ${singer!.command.join(' ')} for ${path}`;
  if (write === 'replace') return `${tap}, without a state`;
  const state = await readCheckpoint(database, { ...at, resource: id });
  if (state === undefined) return `${tap}, which has no state yet`;
  return `${tap} ${full ? 'without its state' : 'from its state'} ${shortened(state)}`;
}

function shortened(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}

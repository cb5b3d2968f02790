import { TerminalError } from '../../errors.js';
import type { ResourceConfig } from '../../model/project.js';

/** Throws `ELT_PRIMARY_KEY_MISSING` when rows are to be merged by a key that nobody named. What a Singer tap names is known later. */
export function assertKey(resource: ResourceConfig): void {
  if (resource.write !== 'merge' || resource.primaryKey.length > 0) return;
  if (resource.merge?.key !== undefined || resource.singer !== undefined) return;
  throw new TerminalError(
    'ELT_PRIMARY_KEY_MISSING',
    `Loading ${resource.id} failed: \`write: merge\` finds rows by their primary key, and none is named.`,
    { at: resource.at, next: 'Set `primary_key` of the resource, or `write: append`.' },
  );
}

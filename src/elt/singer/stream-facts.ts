import type { ResourceConfig } from '../../model/project.js';
import { TerminalError } from '../../errors.js';
import { nameOfColumn } from '../schema/name-columns.js';

/** What a stream's own messages say of its table. Plain JSON. */
export interface StreamFacts {
  /** Every `key_properties` that was said, each once, in its order. */
  readonly keys: readonly (readonly string[])[];
  /** The version that was activated last: rows of older ones go. */
  readonly activated?: string;
}

/**
 * A resource with the key and the disposition that its stream gives, where the project says nothing. Throws (terminal) `ELT_SINGER_KEY` when the
 * stream changed its key meanwhile, and `ELT_PRIMARY_KEY_MISSING` when rows are to be merged and nobody names a key.
 *
 * @param facts of all objects that are loaded together
 */
export function streamResource(resource: ResourceConfig, facts: readonly (StreamFacts | undefined)[]): ResourceConfig {
  if (resource.singer === undefined) return resource;
  const keys = new Map(facts.flatMap((one) => one?.keys ?? []).map((key) => [JSON.stringify(key), key]));
  const own = resource.primaryKey.length > 0;
  if (!own && keys.size > 1)
    throw new TerminalError(
      'ELT_SINGER_KEY',
      `Loading ${resource.id} failed: its key_properties changed on the way: ${[...keys.keys()].join(', ')}; expected one key.`,
      { at: resource.at, next: 'Set `primary_key` of the resource.' },
    );
  const primaryKey = own ? resource.primaryKey : ([...keys.values()][0] ?? []).map(nameOfColumn);
  const write = !resource.singer.writeByKey ? resource.write : primaryKey.length > 0 ? 'merge' : 'append';
  if (write === 'merge' && primaryKey.length === 0 && resource.merge?.key === undefined)
    throw new TerminalError(
      'ELT_PRIMARY_KEY_MISSING',
      `Loading ${resource.id} failed: \`write: merge\` finds rows by their primary key, and neither the project nor the tap names one.`,
      { at: resource.at, next: 'Set `primary_key` of the resource, or take `write` out.' },
    );
  return { ...resource, primaryKey, write };
}

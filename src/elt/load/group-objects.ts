import type { ResourceConfig } from '../../model/project.js';
import type { ExtractedObject } from './load-result.js';

const MAX_OBJECT_BYTES = 4 << 20;
// A group is one step: it ends soon enough that others get their turn, and what Temporal is told of it stays small.
const MAX_GROUP_BYTES = 64 << 20;
const MAX_GROUP_OBJECTS = 500;

/** How many of the objects load together, in their order; one that is not small is by itself: `[300, 1, 20]`. */
export function groupObjects(resource: ResourceConfig, objects: readonly ExtractedObject[]): number[] {
  const lengths: number[] = [];
  let bytes = 0;
  let isOpen = false;
  for (const object of objects) {
    const isSmall = mayShare(resource, object);
    const joins = isOpen && isSmall && lengths.at(-1)! < MAX_GROUP_OBJECTS && bytes + object.bytes <= MAX_GROUP_BYTES;
    bytes = joins ? bytes + object.bytes : object.bytes;
    if (joins) lengths[lengths.length - 1]!++;
    else lengths.push(1);
    isOpen = isSmall;
  }
  return lengths;
}

/** Whether an object is read fast and by itself: what a parser or a program gives is not, and a cursor asks stage by stage. */
export function mayShare(
  { type, parse, inventory, cursor, anomaly, write, personal, children }: ResourceConfig,
  { bytes, statedBy, interval }: Pick<ExtractedObject, 'bytes' | 'statedBy' | 'interval'>,
): boolean {
  const isFile = type === 'files' && parse === undefined && inventory === undefined;
  // What comes in is compared file by file, or looked at for its interval, for persons who are forgotten or for what is nested in it.
  const isCompared = cursor !== undefined || (anomaly !== undefined && write !== 'replace');
  const isLookedAt = isCompared || interval !== undefined || personal !== undefined || children !== undefined;
  return isFile && !isLookedAt && statedBy === undefined && bytes <= MAX_OBJECT_BYTES;
}

import { isByInterval } from '../../model/is-by-interval.js';
import type { Project, ResourceConfig } from '../../model/project.js';
import type { Selection } from '../../model/selection.js';
import { isS3 } from '../../s3/location.js';
import { orderResources } from '../inventory/order-resources.js';
import { selectedResources } from '../inventory/select-resources.js';

/**
 * Resources whose rows of an interval can be fetched before the interval's run, which then finds them in the landing zone: of an
 * API or a bucket, unless they are asked for the rows of another one of the same interval. Throws what `orderResources` and `selectedResources` do.
 *
 * @param selection what the run loads of them
 */
export function landedAhead(project: Project, selection: Selection): ResourceConfig[] {
  if (selection.only === 'transform') return [];
  const ordered = orderResources(project);
  const changing = new Set(ordered.flatMap(({ resource }) => (isByInterval(resource) ? [resource.id] : [])));
  const loaded = selection.only === 'load' ? selectedResources(ordered, selection) : ordered;
  return loaded
    .filter(({ resource, after }) => isFetchedByInterval(resource) && !after.some((id) => changing.has(id)))
    .map(({ resource }) => resource);
}

/** A file behind a URL might be fetched twice, a file of the worker's own is there, and one that holds every interval is fetched once. */
function isFetchedByInterval({ type, path, http, interval }: ResourceConfig): boolean {
  if (type === 'http') return http?.byInterval === true;
  return interval !== undefined && isS3(path) && path.includes('{interval.');
}

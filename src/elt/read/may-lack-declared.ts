import { isByInterval } from '../../model/is-by-interval.js';
import type { ResourceConfig } from '../../model/project.js';
import { isOneOfSeveral } from './is-one-of-several.js';

/**
 * Whether a file may lack a column that plumbline.yaml gives a type, as others of the resource may have it. That none of
 * them has it is for the publication to say, unless those of a later interval may: then the load tells of it.
 */
export function mayLackDeclared(
  resource: Pick<ResourceConfig, 'type' | 'path' | 'member' | 'inventory' | 'http' | 'interval'>,
): boolean {
  return isOneOfSeveral(resource) || resource.inventory !== undefined || isByInterval(resource);
}

import type { ResourceConfig } from '../../model/project.js';
import { isOneOfSeveral } from './is-one-of-several.js';

/**
 * Whether a file of the resource may have no row: where that is said, or where it is one of several, as a day on which nothing happened is
 * no fault. What all files together may lack is for the publication to say.
 */
export function mayBeWithoutRows(resource: Pick<ResourceConfig, 'type' | 'path' | 'member' | 'allowEmpty'>): boolean {
  return resource.type === 'files' && (resource.allowEmpty === true || isOneOfSeveral(resource));
}

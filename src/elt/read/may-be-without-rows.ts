import { isGlob } from '../../model/is-glob.js';
import type { ResourceConfig } from '../../model/project.js';

/**
 * Whether a file of the resource may have no row: where that is said, or where it is one of several, as a day on which nothing happened is
 * no fault. What all files together may lack is for the publication to say.
 */
export function mayBeWithoutRows({
  type,
  path,
  member,
  allowEmpty,
}: Pick<ResourceConfig, 'type' | 'path' | 'member' | 'allowEmpty'>): boolean {
  if (type !== 'files') return false;
  return allowEmpty === true || (!/^https?:/i.test(path) && isGlob(path)) || (member !== undefined && isGlob(member));
}

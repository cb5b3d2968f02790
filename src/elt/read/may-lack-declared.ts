import type { ResourceConfig } from '../../model/project.js';
import { isOneOfSeveral } from './is-one-of-several.js';

/**
 * Whether a file may lack a column that plumbline.yaml gives a type, as others of the resource may have it. That none of
 * them has it is for the publication to say.
 */
export function mayLackDeclared(resource: Pick<ResourceConfig, 'type' | 'path' | 'member' | 'inventory'>): boolean {
  return isOneOfSeveral(resource) || resource.inventory !== undefined;
}

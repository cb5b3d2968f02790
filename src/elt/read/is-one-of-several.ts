import { isGlob } from '../../model/is-glob.js';
import type { ResourceConfig } from '../../model/project.js';

/** Whether a file of the resource may be one of several that make its table: those of a glob, or of an archive. */
export function isOneOfSeveral({ type, path, member }: Pick<ResourceConfig, 'type' | 'path' | 'member'>): boolean {
  if (type !== 'files') return false;
  return (!/^https?:/i.test(path) && isGlob(path)) || (member !== undefined && isGlob(member));
}

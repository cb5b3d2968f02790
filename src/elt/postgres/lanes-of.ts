import type { ResourceConfig } from '../../model/project.js';

/**
 * Connections to the source that read a resource at once, as far as it has that many pieces. A source can spare a second one; with it a
 * core of the source and one of the warehouse stay at work while the other connection waits for a commit.
 */
export function lanesOf({ postgres }: Pick<ResourceConfig, 'postgres'>): number {
  return postgres?.parallel ?? 2;
}

import type { ResourceConfig } from '../../model/project.js';

/**
 * Connections to the source that read a resource at once, as far as it has that many pieces. To write a piece takes longer than to read it,
 * so each of them waits half of the time; one worker passes on what about two cores of a source send, however many connections it has.
 */
export function lanesOf({ postgres }: Pick<ResourceConfig, 'postgres'>): number {
  return postgres?.parallel ?? 4;
}

import type { ResourceConfig } from './project.js';

/** Whether a load of the resource is about the run's interval, and leaves the rows of others as they are. */
export function isByInterval({ http, interval }: Pick<ResourceConfig, 'http' | 'interval'>): boolean {
  return http?.byInterval === true || interval !== undefined;
}

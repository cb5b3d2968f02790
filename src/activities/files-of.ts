import type { DataInterval } from '../model/data-interval.js';
import { fillInterval } from '../model/fill-interval.js';
import type { ResourceConfig } from '../model/project.js';

/** The resource with the path of the interval that its files are read for. */
export function filesOf(resource: ResourceConfig, interval: DataInterval | undefined): ResourceConfig {
  if (interval === undefined || resource.interval === undefined) return resource;
  return { ...resource, path: fillInterval(resource.path, interval) };
}

import type { DataInterval } from '../model/data-interval.js';
import { lastCompleteInterval } from '../model/interval-grid.js';
import { parseInterval } from '../model/parse-interval.js';
import type { Project } from '../model/project.js';

/**
 * What a run is about: what `--interval` says, else, where one schedule of the project has intervals, the last one that is
 * over; undefined for any other project. Throws `INTERVAL_INVALID`.
 */
export function intervalOption(given: string | undefined, project: Project, now: Date): DataInterval | undefined {
  if (given !== undefined) return parseInterval(given, project.timezone);
  const [only, ...more] = new Set(project.schedules.flatMap(({ interval }) => interval ?? []));
  if (only === undefined || more.length > 0) return undefined;
  return lastCompleteInterval({ length: only, timezone: project.timezone }, now.getTime());
}

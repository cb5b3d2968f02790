import { gridOf } from '../client/schedule-options.js';
import { TerminalError } from '../errors.js';
import type { IntervalGrid, IntervalLength } from '../model/interval-grid.js';
import type { Project } from '../model/project.js';

/** The grid of the project's schedules, or the one asked for. Throws `INTERVAL_INVALID`. */
export function chooseGrid(project: Project, length: IntervalLength | undefined): IntervalGrid {
  if (length !== undefined) return { length, timezone: project.timezone };
  const grids = project.schedules.flatMap((schedule) => gridOf(schedule) ?? []);
  const lengths = [...new Set(grids.map((grid) => grid.length))];
  if (lengths.length === 1) return grids[0]!;
  throw new TerminalError(
    'INTERVAL_INVALID',
    `Choosing the intervals failed: the schedules of ${project.name} have ${lengths.length === 0 ? 'none' : lengths.join(' and ')}, expected one length.`,
    { next: 'Say it: `--interval daily` (hourly, daily, weekly or monthly).' },
  );
}

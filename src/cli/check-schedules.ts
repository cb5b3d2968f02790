import { compileTransforms } from '../elt/transform/compile-transforms.js';
import { TerminalError } from '../errors.js';
import { isByInterval } from '../model/is-by-interval.js';
import type { Project } from '../model/project.js';

/** What needs an interval must not be started without one, at night. Throws `SCHEDULE_WITHOUT_INTERVAL` (terminal). */
export function checkSchedules(project: Project): void {
  const resource = project.resources.find(isByInterval);
  const node = compileTransforms(project).nodes.find(({ usesInterval }) => usesInterval);
  if (resource === undefined && node === undefined) return;
  for (const { name, interval, stages } of project.schedules) {
    if (interval !== undefined || !stages.some((stage) => stage === 'load' || stage === 'transform')) continue;
    throw new TerminalError(
      'SCHEDULE_WITHOUT_INTERVAL',
      `Checking schedule ${name} failed: ${node?.file ?? resource?.id} asks for an interval, and the schedule has none.`,
      {
        at: node === undefined ? resource!.at : { file: node.file },
        next: `Write \`${name}: { cron: …, interval: daily }\`.`,
      },
    );
  }
}

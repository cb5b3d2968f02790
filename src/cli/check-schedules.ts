import { orderResources } from '../elt/inventory/order-resources.js';
import { selectedResources } from '../elt/inventory/select-resources.js';
import { compileTransforms } from '../elt/transform/compile-transforms.js';
import { selectedNodes } from '../elt/transform/select-nodes.js';
import { TerminalError } from '../errors.js';
import { isByInterval } from '../model/is-by-interval.js';
import type { Project, ScheduleConfig } from '../model/project.js';
import { selectionOf } from '../model/selection.js';

/**
 * What a schedule selects has to be there, and what needs an interval must not be started without one, at night. Throws
 * `ELT_SELECT_UNKNOWN`, `SELECT_EMPTY` and `SCHEDULE_WITHOUT_INTERVAL` (terminal).
 */
export function checkSchedules(project: Project): void {
  for (const schedule of project.schedules) {
    if (!schedule.stages.some((stage) => stage === 'load' || stage === 'transform')) continue;
    const needs = namingIt(schedule, () => whatNeedsInterval(project, schedule));
    if (schedule.interval !== undefined || needs === undefined) continue;
    const { name } = schedule;
    throw new TerminalError(
      'SCHEDULE_WITHOUT_INTERVAL',
      `Checking schedule ${name} failed: ${needs.what} asks for an interval, and the schedule has none.`,
      { at: needs.at, next: `Write \`${name}: { cron: …, interval: daily }\`.` },
    );
  }
}

/** The first of what the schedule loads or builds that asks for one. */
function whatNeedsInterval(
  project: Project,
  schedule: ScheduleConfig,
): { readonly what: string; readonly at: { readonly file: string; readonly line?: number } } | undefined {
  const selection = selectionOf(schedule.stages, schedule);
  if (selection.only !== 'load') {
    const node = selectedNodes(compileTransforms(project), selection).find(({ usesInterval }) => usesInterval);
    if (node !== undefined) return { what: node.file, at: { file: node.file } };
    if (selection.only === 'transform') return undefined;
  }
  const loaded = selectedResources(orderResources(project), selection);
  const found = loaded.find(({ resource }) => isByInterval(resource))?.resource;
  return found === undefined ? undefined : { what: found.id, at: found.at };
}

function namingIt<T>({ name }: ScheduleConfig, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof TerminalError ? error.prefixed(`Checking schedule ${name} failed: `) : error;
  }
}

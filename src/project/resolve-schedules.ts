import { IANAZone } from 'luxon';
import type { ScheduleConfig, StageName } from '../model/project.js';
import { STAGE_NAMES } from '../model/project.js';
import { isSelected } from '../model/selection.js';
import { parseDuration } from './duration.js';
import { positionAt, type LocatedYaml } from './located-yaml.js';
import type { Problem } from './problem.js';
import type { ScheduleEntryYaml, ScheduleYaml } from './schema/schedule.js';

/** The schedules in the order of the file, and whose days they mean. */
export function resolveSchedules(
  { timezone = 'UTC', ...entries }: ScheduleYaml,
  scope: {
    readonly yaml: LocatedYaml;
    readonly report: (problem: Problem) => void;
    readonly applied: (line: string) => void;
  },
): { readonly timezone: string; readonly schedules: readonly ScheduleConfig[] } {
  const { yaml, report } = scope;
  const refuse = (path: readonly string[], message: string, next: string): void =>
    report({
      code: 'PROJECT_VALUE_INVALID',
      message: `Reading ${yaml.file} failed: ${message}`,
      at: positionAt(yaml, ['schedule', ...path]),
      next,
    });
  if (!IANAZone.isValidZone(timezone))
    refuse(
      ['timezone'],
      `schedule.timezone is ${JSON.stringify(timezone)}, expected one such as Europe/Berlin.`,
      'Correct it.',
    );
  const schedules = Object.entries(entries).map(([name, entry]): ScheduleConfig => {
    const given: ScheduleEntryYaml = typeof entry === 'string' ? { cron: entry } : entry;
    const stages = given.stages ?? defaultStages(name);
    if (given.stages === undefined) scope.applied(`schedule.${name}.stages = ${stages.join(', ')}`);
    if (stages.includes('transform') && stages.length > 1)
      refuse(
        [name, 'stages'],
        `schedule.${name}.stages has transform beside others.`,
        'Write load, which transforms too.',
      );
    const selection = selected(given);
    if (isSelected(selection) && (stages.length > 1 || (stages[0] !== 'load' && stages[0] !== 'transform')))
      refuse(
        [name, given.select === undefined ? 'exclude' : 'select'],
        `schedule.${name} selects a part and runs ${stages.join(', ')}, expected load or transform alone.`,
        'Write `stages: [load]` to load sources, or `stages: [transform]` to build tables, in a schedule each.',
      );
    if (given.interval !== undefined && !stages.some((stage) => stage === 'load' || stage === 'transform'))
      refuse(
        [name, 'interval'],
        `schedule.${name} has an interval and loads nothing: features and models are not about one.`,
        'Remove `interval`, or add load to its stages.',
      );
    if (given.start !== undefined && given.interval === undefined)
      refuse([name, 'start'], `schedule.${name} has a start and no interval.`, 'Add `interval: daily`, or remove it.');
    if (given.overlap === undefined) scope.applied(`schedule.${name}.overlap = skip`);
    return {
      name,
      ...(given.cron === undefined ? { everyMs: parseDuration(given.every!) } : { cron: given.cron }),
      timezone,
      stages,
      ...selection,
      ...(given.interval === undefined ? {} : { interval: given.interval }),
      ...(given.start === undefined ? {} : { start: given.start }),
      jitterMs: given.jitter === undefined ? 0 : parseDuration(given.jitter),
      overlap: given.overlap ?? 'skip',
      catchupMs: parseDuration(given.catchup ?? '1h'),
      pauseOnFailure: given.pause_on_failure ?? false,
    };
  });
  return { timezone, schedules };
}

function selected({ select, exclude }: ScheduleEntryYaml): Pick<ScheduleConfig, 'select' | 'exclude'> {
  return {
    ...(select === undefined ? {} : { select: [select].flat() }),
    ...(exclude === undefined ? {} : { exclude: [exclude].flat() }),
  };
}

function defaultStages(name: string): readonly StageName[] {
  const own = STAGE_NAMES.find((stage) => stage === name);
  return own === undefined ? ['load', 'deploy'] : [own];
}

import type { RetentionConfig, ScheduleConfig } from '../model/project.js';
import { parseDuration } from './duration.js';
import { positionAt, type LocatedYaml } from './located-yaml.js';
import type { Problem } from './problem.js';
import type { RetentionYaml } from './schema/retention.js';

const SCHEDULE = 'retention';
/** A run that is not on record yet may refer to what it has put for about this long. */
const MIN_GRACE = '1h';
/** A run that failed is there to be retried, and a backfill that is paused to be resumed. */
const MIN_RUNS = '7d';

/** How long things are kept, and the schedule that sees to it; none where the file has no `retention`. */
export function resolveRetention(
  given: RetentionYaml | undefined,
  scope: {
    readonly yaml: LocatedYaml;
    readonly schedules: readonly ScheduleConfig[];
    readonly timezone: string;
    readonly report: (problem: Problem) => void;
    readonly applied: (line: string) => void;
  },
): { readonly retention: RetentionConfig; readonly collecting: readonly ScheduleConfig[] } {
  const { yaml, report, applied, schedules, timezone } = scope;
  const { raw, runs, rejects, predictions, grace = '1d', cron = '30 3 * * *' } = given ?? {};
  const refuse = (path: readonly string[], message: string, next: string): void =>
    report({ code: 'PROJECT_VALUE_INVALID', message: `Reading ${yaml.file} failed: ${message}`, at: positionAt(yaml, path), next }); // prettier-ignore
  const atLeast = (key: string, value: string | undefined, least: string): void => {
    if (value !== undefined && parseDuration(value) < parseDuration(least))
      refuse(
        ['retention', key],
        `retention.${key} is ${value}, expected at least ${least}.`,
        `Write ${least} or more.`,
      );
  };
  atLeast('grace', grace, MIN_GRACE);
  atLeast('runs', runs, MIN_RUNS);
  const retention = {
    ...(raw === undefined ? {} : { rawMs: parseDuration(raw) }),
    ...(runs === undefined ? {} : { runsMs: parseDuration(runs) }),
    ...(rejects === undefined ? {} : { rejectsMs: parseDuration(rejects) }),
    ...(predictions === undefined ? {} : { predictionsMs: parseDuration(predictions) }),
    graceMs: parseDuration(grace),
  };
  if (given === undefined) return { retention, collecting: [] };
  if (schedules.some(({ name }) => name === SCHEDULE))
    refuse(
      ['schedule', SCHEDULE],
      `a schedule is called ${SCHEDULE}, as the one that \`retention\` makes.`,
      'Rename it.',
    );
  if (given.grace === undefined) applied('retention.grace = 1d');
  if (given.cron === undefined) applied(`retention.cron = ${cron}`);
  const schedule: ScheduleConfig = {
    name: SCHEDULE,
    cron,
    timezone,
    stages: [],
    retention,
    jitterMs: 0,
    overlap: 'skip',
    catchupMs: parseDuration('1h'),
    pauseOnFailure: false,
  };
  return { retention, collecting: [schedule] };
}

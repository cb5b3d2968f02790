import { shownDuration } from '../project/duration.js';
import type { ScheduleConfig } from '../model/project.js';

/** A schedule in the words of plumbline.yaml, key by key, as `schedule apply` shows what differs. Two are equal when their words are. */
export function scheduleWords(config: ScheduleConfig): Readonly<Record<string, string>> {
  const {
    cron,
    everyMs,
    timezone,
    stages,
    select,
    exclude,
    interval,
    start,
    jitterMs,
    overlap,
    catchupMs,
    pauseOnFailure,
  } = config;
  return {
    ...(cron === undefined ? {} : { cron }),
    ...(everyMs === undefined ? {} : { every: shownDuration(everyMs) }),
    timezone,
    ...(stages.length === 0 ? {} : { stages: stages.join(', ') }),
    ...(select === undefined ? {} : { select: select.join(', ') }),
    ...(exclude === undefined ? {} : { exclude: exclude.join(', ') }),
    ...(interval === undefined ? {} : { interval }),
    ...(start === undefined ? {} : { start }),
    ...(jitterMs === 0 ? {} : { jitter: shownDuration(jitterMs) }),
    overlap,
    catchup: shownDuration(catchupMs),
    pause_on_failure: String(pauseOnFailure),
    ...retentionWords(config.retention),
  };
}

function retentionWords(retention: ScheduleConfig['retention']): Record<string, string> {
  if (retention === undefined) return {};
  const limits = Object.entries(retention).filter((entry): entry is [string, number] => entry[1] !== undefined);
  return Object.fromEntries(limits.map(([key, ms]) => [`retention.${key.replace(/Ms$/, '')}`, shownDuration(ms)]));
}

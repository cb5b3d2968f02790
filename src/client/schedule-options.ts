import type { ScheduleOptions } from '@temporalio/client';
import type { GarbageCollectionInput } from '../contracts/garbage-collection.js';
import type { RunTemplate, ScheduledRunInput } from '../contracts/intervals.js';
import { scheduleId, taskQueue } from '../contracts/queues.js';
import { STAGES, type Stage } from '../contracts/run.js';
import { STAGE_WORDS } from '../contracts/stage-words.js';
import type { IntervalGrid } from '../model/interval-grid.js';
import type { ScheduleConfig, StageName } from '../model/project.js';
import { selectionOf, type Selection } from '../model/selection.js';

/** What Temporal is told of a schedule. Starting workflows carry its id and, behind it, the time. */
export function scheduleOptions(config: ScheduleConfig, template: Omit<RunTemplate, keyof Selection>): ScheduleOptions {
  const { env, project } = template;
  const id = scheduleId(env, project, config.name);
  const grid = gridOf(config);
  const input: ScheduledRunInput = {
    schedule: config.name,
    template: { ...template, ...selectionOf(config.stages, config) },
    stages: stagesOf(config.stages),
    ...(grid === undefined ? {} : { grid }),
  };
  const work =
    config.retention === undefined
      ? { workflowType: 'scheduledRun', args: [input] }
      : { workflowType: 'garbageCollection', args: [collectionOf(config, template)] };
  return {
    scheduleId: id,
    spec: {
      timezone: config.timezone,
      ...(config.cron === undefined ? {} : { cronExpressions: [config.cron] }),
      ...(config.everyMs === undefined ? {} : { intervals: [{ every: config.everyMs }] }),
      ...(config.jitterMs === 0 ? {} : { jitter: config.jitterMs }),
    },
    action: {
      type: 'startWorkflow',
      workflowId: id,
      taskQueue: taskQueue('default'),
      workflowTaskTimeout: '5s',
      ...work,
      staticSummary: `${project} · ${env} · schedule ${config.name}`,
    },
    policies: {
      overlap: ({ skip: 'SKIP', buffer_one: 'BUFFER_ONE', buffer_all: 'BUFFER_ALL' } as const)[config.overlap],
      catchupWindow: config.catchupMs,
      pauseOnFailure: config.pauseOnFailure,
    },
  };
}

function collectionOf(
  { name, retention }: ScheduleConfig,
  { env, project, bundle, root, searchAttributes }: Omit<RunTemplate, keyof Selection>,
): GarbageCollectionInput {
  const scope = { env, project, bundle, root, searchAttributes };
  return { ...scope, retention: retention!, startedBy: `schedule ${name}`, dryRun: false };
}

export function gridOf({ interval, timezone }: ScheduleConfig): IntervalGrid | undefined {
  return interval === undefined ? undefined : { length: interval, timezone };
}

/** In the order in which a run goes through them. */
export function stagesOf(words: readonly StageName[]): Stage[] {
  const wanted = words.flatMap((word) => STAGE_WORDS[word]!);
  return STAGES.filter((stage) => wanted.includes(stage));
}

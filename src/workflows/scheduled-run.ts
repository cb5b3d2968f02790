import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import {
  ApplicationFailure,
  continueAsNew,
  defineSignal,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { IntervalActivities } from '../activities/intervals.js';
import type { IntervalsResult, ScheduledRunInput } from '../contracts/intervals.js';
import { STOP_SIGNAL } from '../contracts/queues.js';
import type { RunInterval } from '../contracts/run.js';
import { counted, plural } from '../model/plural.js';
import { quickQuery } from './activity-options.js';
import { FAILURES_IN_A_ROW, runChild, type ChildOutcome } from './run-child.js';
import { createReport, setSearchAttributes } from './run-scope.js';

const { findMissingIntervals } = proxyActivities<IntervalActivities>(quickQuery);

export const stopSignal = defineSignal(STOP_SIGNAL);

type Position = NonNullable<ScheduledRunInput['position']>;

/**
 * One start of a schedule. Without a grid: one run. With one: a run for every interval that is over at the schedule's own
 * time and not done, the oldest first, so that starts that were left out delay data and never lose it. What failed in an
 * earlier start is tried again behind them, once: it keeps nothing new waiting, however often it fails. Later stages than
 * elt run with the last new interval, or, where nothing is new, with the last one. A signal ends the start behind its run.
 */
export async function scheduledRun(input: ScheduledRunInput): Promise<IntervalsResult> {
  const { template, schedule, grid, stages } = input;
  const { env, project, only, select, exclude } = template;
  let isStopped = false;
  // Registered before anything is awaited, so that no signal is lost.
  setHandler(stopSignal, () => void (isStopped = true));
  const report = createReport(template, `schedule ${schedule}`);
  setSearchAttributes(template, { PlumblineProject: project, PlumblineEnv: env, PlumblineStage: 'schedule' });
  const start = (
    interval: RunInterval | undefined,
    more: { isFirst: boolean; isLast: boolean },
  ): Promise<ChildOutcome> =>
    runChild({
      template,
      stages: more.isLast ? stages : stages.filter((stage) => stage === 'elt'),
      startedBy: `schedule ${schedule}`,
      about: {
        ...(interval === undefined ? {} : { interval, once: true }),
        ...(more.isFirst ? {} : { keepLoaded: true }),
      },
      onStart: (runId) =>
        report(`run ${runId}${interval === undefined ? '' : `: ${interval.start} to ${interval.end}`}`),
      onWait: () => report('waits for another run of the project to end'),
      asksForWay: true,
      isStopped: () => isStopped,
    });
  if (grid === undefined) {
    const outcome = await start(undefined, { isFirst: true, isLast: true });
    report(shown(outcome));
    if (outcome.status === 'waiting' && isStopped) return { done: 0 };
    if (outcome.status === 'waiting') return continueAsNew<typeof scheduledRun>(input);
    if (outcome.status === 'succeeded') return { done: 1 };
    throw ended(schedule, outcome, 1);
  }
  let position: Position = input.position ?? { scheduledAt: scheduledTime(), done: 0, failed: 0, failedInARow: 0 };
  while (!isStopped) {
    const { scheduledAt: until, after } = position;
    const asked = { env, project, grid, only, select, exclude, schedule, until, failedOnly: false, failedApart: true, again: false }; // prettier-ignore
    const missing = await findMissingIntervals({ ...asked, ...(after === undefined ? {} : { after }) });
    const retries = position.retries ?? [...(missing.failed ?? [])];
    position = { ...position, retries };
    report(
      `${counted(missing.total, 'interval is', 'intervals are')} missing${retries.length === 0 ? '' : `, ${retries.length} failed before`}`,
    );
    const isRetry = missing.intervals.length === 0;
    const intervals = isRetry ? retries : missing.intervals;
    if (intervals.length === 0) break;
    const last = isRetry ? (after === undefined ? retries.length : undefined) : missing.total;
    for (const [index, interval] of intervals.entries()) {
      if (isStopped) break;
      const isFirst = position.done + position.failed === 0;
      const outcome = await start(interval, { isFirst, isLast: index + 1 === last });
      report(shown(outcome));
      if (outcome.status === 'waiting' && isStopped) break;
      if (outcome.status === 'waiting') return continueAsNew<typeof scheduledRun>({ ...input, position });
      position = moved(position, interval, outcome, isRetry);
      if (outcome.status === 'cancelled' || position.failedInARow === FAILURES_IN_A_ROW)
        throw ended(schedule, outcome, position.failed);
      if (workflowInfo().continueAsNewSuggested && !isStopped)
        return continueAsNew<typeof scheduledRun>({ ...input, position });
    }
  }
  if (isStopped) report('stopped, as the schedule was paused or deleted');
  if (position.failed === 0) return { done: position.done };
  throw ApplicationFailure.nonRetryable(
    `${position.failed} of ${counted(position.done + position.failed, 'interval')} of schedule ${schedule} failed; the next start tries ${plural(position.failed, 'it', 'them')} again.`,
    'ScheduledRunFailed',
  );
}

/** The schedule's own time, to which a start belongs whenever it begins: never the clock's. */
function scheduledTime(): string {
  const key = defineSearchAttributeKey('TemporalScheduledStartTime', SearchAttributeType.DATETIME);
  const { typedSearchAttributes, startTime } = workflowInfo();
  return (typedSearchAttributes.get(key) ?? startTime).toISOString();
}

function moved(position: Position, { end }: RunInterval, { status }: ChildOutcome, isRetry: boolean): Position {
  const isFailed = status === 'failed' || status === 'cancelled';
  return {
    ...position,
    ...(isRetry ? { retries: position.retries!.slice(1) } : { after: end }),
    done: position.done + (isFailed ? 0 : 1),
    failed: position.failed + (isFailed ? 1 : 0),
    failedInARow: isFailed ? position.failedInARow + 1 : 0,
  };
}

function shown(outcome: ChildOutcome): string {
  const what = outcome.status.replace('_', ' ');
  return outcome.status === 'failed' ? `**failed**: ${outcome.error.message}` : what;
}

function ended(schedule: string, outcome: ChildOutcome, failed: number): Error {
  const why = outcome.status === 'failed' ? outcome.error.message : 'its run was cancelled';
  const many = failed > 1 ? `${failed} runs in a row failed, the last one: ` : '';
  return ApplicationFailure.nonRetryable(`Schedule ${schedule} stopped: ${many}${why}`, 'ScheduledRunFailed');
}

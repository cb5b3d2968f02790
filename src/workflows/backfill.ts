import {
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  patched,
  proxyActivities,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { IntervalActivities } from '../activities/intervals.js';
import type { BackfillInput, BackfillProgress } from '../contracts/intervals.js';
import { BACKFILL_MESSAGES } from '../contracts/queues.js';
import type { RunInterval, RunRef } from '../contracts/run.js';
import { counted } from '../model/plural.js';
import { quickQuery } from './activity-options.js';
import { createLookAhead } from './look-ahead.js';
import { FAILURES_IN_A_ROW, giveWaySignal, runChild } from './run-child.js';
import { createReport, setSearchAttributes } from './run-scope.js';

const { findMissingIntervals } = proxyActivities<IntervalActivities>(quickQuery);

export const pauseSignal = defineSignal(BACKFILL_MESSAGES.pause);
export const resumeSignal = defineSignal(BACKFILL_MESSAGES.resume);
export const progressQuery = defineQuery<BackfillProgress>(BACKFILL_MESSAGES.progress);

/** What a start that waits needs to begin its run, once it tries again. */
const GIVE_WAY_MS = 2_000;

/**
 * A run for each interval of the past that is not done, the oldest first, one at a time, as one run writes a project's
 * tables; with `parallel`, what the next ones ask for is fetched meanwhile. What fails is left and counted, and the rest
 * goes on; three failures in a row end it. Paused between two runs by a signal; a start of a schedule that waits goes first. Loads what is asked by
 * interval and leaves the rest, so that no cursor moves.
 */
export async function backfill(input: BackfillInput): Promise<BackfillProgress> {
  const { template, stages, grid, from, until, failedOnly, backfillId } = input;
  const { env, project, force: again, only, select, exclude } = template;
  let position = input.position ?? { done: 0, failed: 0, failedInARow: 0, paused: false };
  // A worker that does not know `parallel` may have begun it.
  const parallel = (input.parallel ?? 1) > 1 && patched('look-ahead') ? input.parallel! : 1;
  const about: Pick<RunRef, 'keepLoaded' | 'once'> = { keepLoaded: true, ...(again ? {} : { once: true }) };
  const lookAhead = createLookAhead({ ...template, ...about });
  let left = 0;
  let giveWayUntil = 0;
  let current: { readonly interval: string; readonly runId: string } | undefined;
  const progress = (state: BackfillProgress['state']): BackfillProgress => {
    const { done, failed } = position;
    const ahead = parallel === 1 ? {} : { ahead: lookAhead.count() };
    return { backfillId, state, done, failed, left, ...ahead, ...current };
  };
  // Registered before anything is awaited, so that no signal is lost.
  setHandler(pauseSignal, () => {
    position = { ...position, paused: true };
    void lookAhead.stop();
  });
  setHandler(resumeSignal, () => void (position = { ...position, paused: false }));
  setHandler(giveWaySignal, ({ waitMs }) => void (giveWayUntil = Date.now() + waitMs + GIVE_WAY_MS));
  setHandler(progressQuery, () => progress(position.paused ? 'paused' : 'running'));
  const report = createReport(template, `backfill ${backfillId}`);
  setSearchAttributes(template, { PlumblineProject: project, PlumblineEnv: env, PlumblineStage: 'backfill' });

  for (;;) {
    const after = position.after === undefined ? {} : { after: position.after };
    const { intervals, total } = await findMissingIntervals({ env, project, grid, only, select, exclude, from, until, failedOnly, again, ...after }); // prettier-ignore
    left = total;
    if (intervals.length === 0) break;
    report(`${counted(total, 'interval is', 'intervals are')} left`);
    for (const [index, interval] of intervals.entries()) {
      const isLong = workflowInfo().continueAsNewSuggested;
      do {
        if (position.paused) report('paused');
        await condition(() => !position.paused);
        // Those that are begun have their run before a history that is long ends.
        if (parallel > 1 && !isLong) lookAhead.begin(intervals.slice(index, index + parallel));
        await lookAhead.landed(interval);
        if (giveWayUntil > Date.now()) {
          report('lets a start of a schedule go first');
          await sleep(giveWayUntil - Date.now());
        }
      } while (position.paused);
      const runId = lookAhead.take(interval);
      const outcome = await runChild({
        template,
        stages: index + 1 === total ? stages : stages.filter((stage) => stage === 'elt'),
        startedBy: `backfill ${backfillId}`,
        ...(runId === undefined ? {} : { runId }),
        about: { ...about, interval },
        onStart: (id) => {
          current = { interval: shown(interval), runId: id };
          report(`run ${id}: ${current.interval}`);
        },
        onWait: () => report('waits for another run of the project to end'),
      });
      if (outcome.status === 'waiting') {
        await lookAhead.stop();
        return continueAsNew<typeof backfill>({ ...input, position });
      }
      const isFailed = outcome.status === 'failed' || outcome.status === 'cancelled';
      report(outcome.status === 'failed' ? `**failed**: ${outcome.error.message}` : outcome.status);
      position = {
        ...position,
        after: interval.end,
        done: position.done + (isFailed ? 0 : 1),
        failed: position.failed + (isFailed ? 1 : 0),
        failedInARow: isFailed ? position.failedInARow + 1 : 0,
      };
      left--;
      current = undefined;
      if (position.failedInARow === FAILURES_IN_A_ROW) {
        report(`stopped: ${FAILURES_IN_A_ROW} failures in a row`);
        await lookAhead.stop();
        return progress('over');
      }
      if (workflowInfo().continueAsNewSuggested && lookAhead.count() === 0)
        return continueAsNew<typeof backfill>({ ...input, position });
    }
  }
  report(`${position.done} done, ${position.failed} failed`);
  return progress('over');
}

function shown({ start, end }: RunInterval): string {
  return `${start}/${end}`;
}

import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  CancellationScope,
  condition,
  defineSignal,
  executeChild,
  getExternalWorkflowHandle,
  isCancellation,
  ParentClosePolicy,
  patched,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import type { RunTemplate } from '../contracts/intervals.js';
import { BACKFILL_MESSAGES, workflowId } from '../contracts/queues.js';
import type { RunRef, Stage, StepError } from '../contracts/run.js';
import { pipeline } from './pipeline.js';
import { stepErrorOf } from './run-scope.js';

/** Signal to a backfill, which then begins no run for so many milliseconds, and a little longer. */
export const giveWaySignal = defineSignal<[{ readonly waitMs: number }]>(BACKFILL_MESSAGES.giveWay);

export interface ChildRun {
  readonly template: RunTemplate;
  readonly stages: readonly Stage[];
  readonly startedBy: string;
  /** @default a new one */
  readonly runId?: string;
  /** What the run is about, and how far it goes. */
  readonly about: Pick<RunRef, 'interval' | 'once' | 'keepLoaded'>;
  readonly onStart: (runId: string) => void;
  /** Told when another run of the project is in the way. */
  readonly onWait: () => void;
  /** Lets a backfill know that it waits: between two of a backfill's runs is no time to get in. @default false */
  readonly asksForWay?: true;
  /** Ends the wait for another run. @default it waits, however long */
  readonly isStopped?: () => boolean;
}

export type ChildOutcome =
  | { readonly status: 'succeeded'; readonly runId: string }
  /** Another run has done the interval meanwhile. */
  | { readonly status: 'not_needed'; readonly runId: string }
  | { readonly status: 'failed'; readonly runId: string; readonly error: StepError }
  /** It waited until it was stopped, or until the history is long: then the caller goes on as a new workflow. */
  | { readonly status: 'waiting' }
  /** The run alone was cancelled: a person wants an end. */
  | { readonly status: 'cancelled'; readonly runId: string };

/** What fails so often, one after the other, fails for a reason that the next interval shares. */
export const FAILURES_IN_A_ROW = 3;

const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 120_000;

export function newRunId(): string {
  return uuid4().slice(0, 8);
}

/**
 * One run as a child, under the project's own workflow id, so that it and a run by hand exclude each other. While another
 * run of the project is in progress it waits, however long: a start is late then, and never lost.
 */
export async function runChild({
  template,
  stages,
  startedBy,
  runId = newRunId(),
  about,
  onStart,
  onWait,
  asksForWay,
  isStopped = () => false,
}: ChildRun): Promise<ChildOutcome> {
  const run: RunRef = { ...template, ...about, runId };
  const { env, project, bundle, interval } = run;
  onStart(runId);
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      await executeChild(pipeline, {
        args: [{ run, stages, startedBy }],
        workflowId: workflowId(env, project, 'pipeline'),
        // Ended from outside, the start takes its run with it, which then closes itself.
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        workflowTaskTimeout: '5s',
        memo: { runId, bundle: bundle.digest },
        staticSummary: [project, env, ...(interval === undefined ? [] : [interval.start]), `run ${runId}`].join(' · '),
      });
      return { status: 'succeeded', runId };
    } catch (failure) {
      if (failure instanceof WorkflowExecutionAlreadyStartedError) {
        if (pause === FIRST_PAUSE_MS) onWait();
        if (workflowInfo().continueAsNewSuggested) return { status: 'waiting' };
        if (asksForWay === true && patched('ask-for-way')) await askForWay(template, pause);
        if (await condition(isStopped, pause)) return { status: 'waiting' };
        continue;
      }
      if (CancellationScope.current().consideredCancelled) throw failure;
      if (isCancellation(failure)) return { status: 'cancelled', runId };
      const error = stepErrorOf(failure);
      return error.code === 'RUN_INTERVAL_DONE' ? { status: 'not_needed', runId } : { status: 'failed', runId, error };
    }
  }
}

/** Without effect when the other run is no backfill's. */
async function askForWay({ env, project }: RunTemplate, waitMs: number): Promise<void> {
  try {
    await getExternalWorkflowHandle(workflowId(env, project, 'backfill')).signal(giveWaySignal, { waitMs });
  } catch (failure) {
    if (isCancellation(failure)) throw failure;
  }
}

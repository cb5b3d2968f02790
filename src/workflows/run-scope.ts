import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowFailure,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  TimeoutFailure,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { RunActivities } from '../activities/run.js';
import type { RunPlan, RunRef, Stage, StepError } from '../contracts/run.js';
import { closing, quickQuery } from './activity-options.js';

const { openRun } = proxyActivities<RunActivities>(quickQuery);
const { closeRun } = proxyActivities<RunActivities>(closing);

export interface StageInput {
  readonly run: RunRef;
  readonly stages: readonly Stage[];
  readonly startedBy: string;
  readonly retryOf?: string;
  /** Set by the pipeline: the run is opened and closed there. */
  readonly plan?: RunPlan;
}

/**
 * Opens the run, does `work`, closes the run whatever happened, also after a cancellation. A stage started by the
 * pipeline works in the pipeline's run.
 */
export async function withRun<R extends object>(
  input: StageInput,
  stage: string,
  work: (plan: RunPlan, report: (line: string) => void) => Promise<R>,
): Promise<R> {
  const report = createReport(input.run, stage);
  setSearchAttributes(input.run, {
    PlumblineProject: input.run.project,
    PlumblineEnv: input.run.env,
    PlumblineStage: stage,
  });
  if (input.plan !== undefined) return work(input.plan, report);
  try {
    const plan = await openRun({
      run: input.run,
      workflowId: workflowInfo().workflowId,
      stages: [...input.stages],
      startedBy: input.startedBy,
      ...(input.retryOf === undefined ? {} : { retryOf: input.retryOf }),
    });
    const result = await work(plan, report);
    await closeRun({ run: input.run, status: 'succeeded', result: result as Record<string, unknown> });
    return result;
  } catch (failure) {
    const cancelled = isCancellation(failure);
    const error = cancelled ? undefined : stepErrorOf(failure);
    report(cancelled ? 'cancelled' : `**failed**: ${plainText(error?.message ?? 'unknown')}`);
    await CancellationScope.nonCancellable(() =>
      closeRun({
        run: input.run,
        status: cancelled ? 'cancelled' : 'failed',
        ...(error === undefined ? {} : { error }),
      }),
    );
    throw failure;
  }
}

/** Only attributes the namespace has: an unknown one would fail the workflow task for ever. */
export function setSearchAttributes(
  run: Pick<RunRef, 'searchAttributes'>,
  values: Readonly<Record<string, string | number>>,
): void {
  const known = Object.entries(values).filter(([name]) => run.searchAttributes.includes(name));
  if (known.length === 0) return;
  upsertSearchAttributes(
    known.map(([name, value]) =>
      typeof value === 'number'
        ? { key: defineSearchAttributeKey(name, SearchAttributeType.INT), value }
        : { key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD), value },
    ),
  );
}

/** A message may quote data: in Markdown nothing of it is a link, an image, HTML or a line of its own. */
function plainText(message: string): string {
  return message.replace(/\s+/g, ' ').replace(/[\\<[\]]/g, '\\$&');
}

const LINES = 100;

/** Lines that make the run's page in the Temporal UI read like a report. */
export function createReport(
  run: Pick<RunRef, 'project' | 'env'> & Partial<Pick<RunRef, 'runId' | 'interval'>>,
  stage: string,
): (line: string) => void {
  const lines: string[] = run.interval === undefined ? [] : [`interval ${run.interval.start} to ${run.interval.end}`];
  const show = (): void =>
    setCurrentDetails(
      `### ${run.project} · ${run.env} · ${stage}\n\n${run.runId === undefined ? '' : `run \`${run.runId}\`\n\n`}${lines.map((line) => `- ${line}`).join('\n')}`,
    );
  show();
  return (line) => {
    lines.push(line);
    // A start that catches up on a year has more to say than a page holds.
    if (lines.length > LINES) lines.splice(1, lines.length - LINES, '…');
    show();
  };
}

/** The error the activity described, found under Temporal's wrapping. */
export function stepErrorOf(failure: unknown): StepError {
  let current: unknown = failure;
  // A time-out's cause is what the last attempt failed with.
  while (
    current instanceof ActivityFailure ||
    current instanceof ChildWorkflowFailure ||
    (current instanceof TimeoutFailure && current.cause !== undefined)
  )
    current = current.cause;
  if (current instanceof ApplicationFailure) {
    const described = current.details?.[0] as StepError | undefined;
    return described ?? { code: current.type ?? 'UNKNOWN', message: current.message };
  }
  return { code: 'UNKNOWN', message: current instanceof Error ? current.message : String(current) };
}

import { setTimeout as sleep } from 'node:timers/promises';
import pc from 'picocolors';
import type { TemporalConnection } from '../client/connect.js';
import type { StepError } from '../contracts/run.js';
import type { Database } from '../model/database.js';
import { listSteps, type StepRow } from '../storage/run-steps.js';
import { closeRunRow, findRun, type RunRow } from '../storage/runs.js';
import { RunFailure } from './print-error.js';
import { halfOfRun, stageWord } from './stage-words.js';
import { renderSteps } from './render-run.js';

export interface FollowOptions {
  readonly database: Database;
  readonly temporal: TemporalConnection;
  readonly runId: string;
  readonly workflowId: string;
  /** Prints step lines; off for --json. */
  readonly show: boolean;
  readonly signal: AbortSignal;
}

export type Followed =
  { readonly detached: true } | { readonly detached: false; readonly run: RunRow; readonly steps: readonly StepRow[] };

/** Shows a run's steps as they happen until it ends or `signal` aborts; throws RunFailure when it ended badly. */
export async function followRun(options: FollowOptions): Promise<Followed> {
  const { database, runId, signal } = options;
  const screen = options.show ? createScreen() : undefined;
  let polls = 0;
  for (;;) {
    const [run] = await findRun(database, runId);
    const steps = run === undefined ? [] : await listSteps(database, runId);
    screen?.draw(steps);
    if (run !== undefined && run.status !== 'running') {
      if (run.status === 'succeeded') return { detached: false, run, steps };
      throw failureOf(run, steps);
    }
    // A run that could not even open, or was ended from outside, shows only in Temporal.
    if (++polls % 10 === 0) await checkWorkflow(options, run);
    if (signal.aborted) return { detached: true };
    await sleep(200, undefined, { signal }).catch(() => {});
  }
}

async function checkWorkflow(
  { database, temporal, runId, workflowId }: FollowOptions,
  run: RunRow | undefined,
): Promise<void> {
  const { status, memo } = await temporal.client.workflow.getHandle(workflowId).describe();
  if (status.name === 'RUNNING' && memo?.['runId'] === runId) return;
  const [closed] = await findRun(database, runId);
  if (closed !== undefined && closed.status !== 'running') return;
  // The id belongs to the project: by now it may be a later run's.
  const isOwn = memo?.['runId'] === runId;
  const error = (isOwn ? await workflowError(temporal, workflowId) : undefined) ?? {
    code: 'RUN_ENDED_OUTSIDE',
    message: `Run ${runId} ended in Temporal${isOwn ? ` as ${status.name.toLowerCase()}` : ''} before it could close itself.`,
    next: 'Look at the workflow in the Temporal UI for who ended it.',
  };
  if (run !== undefined) await closeRunRow(database, runId, 'failed', error, undefined);
  throw new RunFailure(error, 'Run it again with', 'plumbline run', 'failed');
}

async function workflowError(temporal: TemporalConnection, workflowId: string): Promise<StepError | undefined> {
  try {
    await temporal.client.workflow.getHandle(workflowId).result();
    return undefined;
  } catch (error) {
    let current: unknown = error;
    while (current instanceof Error && current.cause !== undefined) current = current.cause;
    const details = (current as { details?: unknown[] }).details;
    return details?.[0] as StepError | undefined;
  }
}

/** How much of a failed run is kept: steps that are done are not repeated by a retry. */
export function failureOf(run: RunRow, rows: readonly StepRow[]): RunFailure {
  const main = rows.filter((step) => !step.step.includes('#') && !step.step.startsWith('extract:'));
  const done = main.filter((step) => step.status === 'succeeded' || step.status === 'reused').length;
  const failed = rows
    .filter((step) => step.status === 'failed')
    .map((step) => step.step.replace(/^extract:/, 'load:').split('#')[0]);
  const repeated = new Set(failed).size;
  const error = (run.error ?? {
    code: 'RUN_CANCELLED',
    message: `Run ${run.run_id} was cancelled.`,
  }) as unknown as StepError;
  const status = run.status === 'cancelled' ? 'cancelled' : 'failed';
  const steps = `${done} of ${main.length} steps done`;
  // A retry runs the same code: what has to be corrected first is picked up by a new run only, which keeps as much.
  if (error.terminal !== true)
    return new RunFailure(error, `${steps}, retry repeats ${repeated}:`, `plumbline runs retry ${run.run_id}`, status);
  const kept = main.length === 0 ? 'Nothing ran yet; then start again:' : `${steps} and kept; then go on:`;
  return new RunFailure(error, kept, sameRun(run), status);
}

/** The command that starts what `run` was. */
function sameRun(run: RunRow): string {
  const { env, stages } = run;
  const { only, select } = halfOfRun(run);
  const word = only ?? stageWord(stages);
  const selected = select === undefined ? '' : ` --select ${select.join(',')}`;
  return `plumbline run${word === undefined ? '' : ` ${word}`}${selected}${env === 'dev' ? '' : ` --env ${env}`}`;
}

/** On a terminal the running steps are redrawn in place; elsewhere each finished step is one line. */
function createScreen(): { draw(steps: readonly StepRow[]): void } {
  const printed = new Set<string>();
  let live = 0;
  return {
    draw(steps) {
      const lines = renderSteps(steps);
      let output = process.stdout.isTTY && live > 0 ? `\x1b[${live}A\x1b[J` : '';
      for (const { step, line, done } of lines) {
        if (!done || printed.has(step)) continue;
        printed.add(step);
        output += `${line}\n`;
      }
      live = 0;
      if (process.stdout.isTTY) {
        for (const { line, done } of lines) {
          if (done) continue;
          output += `${pc.yellow(line)}\n`;
          live++;
        }
      }
      if (output !== '') process.stdout.write(output);
    },
  };
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { TemporalConnection } from '../client/connect.js';
import { findRunWorkflow, findWorkflowError } from '../client/run-workflow.js';
import type { StepError } from '../contracts/run.js';
import type { Database } from '../model/database.js';
import { shownInterval } from '../model/data-interval.js';
import { listSteps, type StepRow } from '../storage/run-steps.js';
import { closeRunRow } from '../storage/close-run.js';
import { liveWorkers } from '../storage/workers.js';
import { findRun, type RunRow } from '../storage/runs.js';
import { createPatience, PATIENCE_MS } from './patience.js';
import { RunFailure, type EndedRun } from './print-error.js';
import { halfOfRun, stageWord } from './stage-words.js';
import { createRunScreen } from './run-screen.js';

export interface FollowOptions {
  readonly database: Database;
  readonly temporal: TemporalConnection;
  readonly runId: string;
  readonly workflowId: string;
  /** Prints step lines; off for --json. */
  readonly show: boolean;
  readonly signal: AbortSignal;
  /** How long PostgreSQL or Temporal may be away. @default 30000 */
  readonly patienceMs?: number;
}

/** Longer than a worker takes to come back that was killed under `plumbline up`. */
const DESERTED_SECONDS = 20;
const DESERTED = `  ! No worker has given a sign of life for ${DESERTED_SECONDS} s, and the run waits for one: start it with \`plumbline up\` or \`plumbline worker\`.`;

export type Followed =
  { readonly detached: true } | { readonly detached: false; readonly run: RunRow; readonly steps: readonly StepRow[] };

/**
 * Shows a run's steps as they happen until it ends or `signal` aborts; waits for a server that restarts. Throws RunFailure
 * when the run ended badly, a TransientError when a server stays away.
 */
export async function followRun(options: FollowOptions): Promise<Followed> {
  const { database, runId, signal, patienceMs = PATIENCE_MS } = options;
  const screen = options.show ? createRunScreen(terminal()) : undefined;
  const say = (line: string): void =>
    screen === undefined ? void process.stderr.write(`${line}\n`) : screen.say(line);
  const waitForDatabase = createPatience(runId, patienceMs);
  const waitForTemporal = createPatience(runId, patienceMs);
  let isDeserted = false;
  let polls = 0;
  for (;;) {
    const seen = await waitForDatabase(() => readRun(database, runId));
    if (seen !== undefined) {
      const { run, steps } = seen;
      screen?.draw(steps, run?.status !== 'running');
      if (run !== undefined && run.status !== 'running') {
        if (run.status === 'succeeded') return { detached: false, run, steps };
        throw failureOf(run, steps);
      }
      // A run that could not even open, or was ended from outside, shows only in Temporal.
      if (++polls % 10 === 0) {
        const workers = await waitForDatabase(() => liveWorkers(database, DESERTED_SECONDS));
        if (workers !== undefined && (workers.length === 0) !== isDeserted) {
          isDeserted = !isDeserted;
          say(isDeserted ? DESERTED : '  ! A worker is back; the run goes on.');
        }
        await waitForTemporal(() => checkWorkflow(options, seen));
      }
    }
    if (signal.aborted) return { detached: true };
    await sleep(200, undefined, { signal }).catch(() => {});
  }
}

interface Seen {
  readonly run: RunRow | undefined;
  readonly steps: readonly StepRow[];
}

async function readRun(database: Database, runId: string): Promise<Seen> {
  const [run] = await findRun(database, runId);
  return { run, steps: run === undefined ? [] : await listSteps(database, runId) };
}

async function checkWorkflow(
  { database, temporal, runId, workflowId }: FollowOptions,
  { run, steps }: Seen,
): Promise<void> {
  const workflow = await findRunWorkflow(temporal, workflowId);
  // The id belongs to the project: by now it may be a later run's.
  const isOwn = workflow?.runId === runId;
  if (isOwn && workflow.status === 'RUNNING') return;
  const [closed] = await findRun(database, runId);
  if (closed !== undefined && closed.status !== 'running') return;
  const error = (isOwn ? await findWorkflowError(temporal, workflowId) : undefined) ?? {
    code: 'RUN_ENDED_OUTSIDE',
    message: `Run ${runId} ended in Temporal${isOwn ? ` as ${workflow.status.toLowerCase()}` : ''} before it could close itself.`,
    next: 'Look at the workflow in the Temporal UI for who ended it.',
  };
  if (run !== undefined) await database.transaction((session) => closeRunRow(session, runId, 'failed', error));
  const ended = { runId, status: 'failed', kept: keptOf(steps) } as const;
  throw new RunFailure(error, ended, 'Run it again with', 'plumbline run');
}

/** How much of a failed run is kept: steps that are done are not repeated by a retry. */
export function failureOf(run: RunRow, rows: readonly StepRow[]): RunFailure {
  const kept = keptOf(rows);
  const failed = rows
    .filter((step) => step.status === 'failed')
    .map((step) => step.step.replace(/^extract:/, 'load:').split('#')[0]);
  const repeated = new Set(failed).size;
  const error = (run.error ?? {
    code: 'RUN_CANCELLED',
    message: `Run ${run.run_id} was cancelled.`,
  }) as unknown as StepError;
  const status = run.status === 'cancelled' ? 'cancelled' : 'failed';
  const ended = { runId: run.run_id, status, kept } as const;
  const steps = `${kept.done} of ${kept.of} steps done`;
  // A retry runs the same code: what has to be corrected first is picked up by a new run only, which keeps as much.
  if (error.terminal !== true)
    return new RunFailure(error, ended, `${steps}, retry repeats ${repeated}:`, `plumbline runs retry ${run.run_id}`);
  const words = kept.of === 0 ? 'Nothing ran yet; then start again:' : `${steps} and kept; then go on:`;
  return new RunFailure(error, ended, words, sameRun(run));
}

/** Parts of a load are not counted: they are its own. */
function keptOf(rows: readonly StepRow[]): EndedRun['kept'] {
  const main = rows.filter((step) => !step.step.includes('#') && !step.step.startsWith('extract:'));
  return {
    done: main.filter((step) => step.status === 'succeeded' || step.status === 'reused').length,
    of: main.length,
  };
}

/** The command that starts what `run` was. */
function sameRun(run: RunRow): string {
  const { stages } = run;
  const env = run.env === 'dev' ? '' : ` --env ${run.env}`;
  const { only, select, interval, rejects } = halfOfRun(run);
  if (rejects !== undefined) {
    const file = rejects.file === undefined ? '' : ` --file ${rejects.file.name}`;
    return `plumbline rejects retry --load ${rejects.loadId}${file}${env}`;
  }
  const word = only ?? stageWord(stages);
  const about = interval === undefined ? '' : ` --interval ${shownInterval(interval)}`;
  const selected = select === undefined ? '' : ` --select ${select.join(',')}`;
  return `plumbline run${word === undefined ? '' : ` ${word}`}${selected}${about}${env}`;
}

function terminal(): Parameters<typeof createRunScreen>[0] {
  const { isTTY, columns } = process.stdout;
  return { isTTY, columns, write: (text) => void process.stdout.write(text) };
}

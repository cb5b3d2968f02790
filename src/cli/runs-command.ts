import { setTimeout as sleep } from 'node:timers/promises';
import { connectDatabase, connectTemporal } from '../client/connect.js';
import { findRunWorkflow } from '../client/run-workflow.js';
import { userName } from '../client/start-run.js';
import { loadSettings, type Settings } from '../config.js';
import { STAGES, type Stage } from '../contracts/run.js';
import { TerminalError } from '../errors.js';
import { shownInterval } from '../model/data-interval.js';
import { projectName } from '../project/project-name.js';
import { findBundle } from '../storage/bundles.js';
import { listSteps } from '../storage/run-steps.js';
import { closeRunRow } from '../storage/close-run.js';
import { findRun, listRuns, markCancelled, type RunRow } from '../storage/runs.js';
import type { OpenDatabase } from '../storage/database.js';
import { oneLine } from './display-width.js';
import { failureOf } from './follow-run.js';
import { table } from './format.js';
import { printError } from './print-error.js';
import { iso, renderSteps } from './render-run.js';
import { tellFor } from './told-commands.js';
import { halfOfRun } from './stage-words.js';
import { followToEnd, startAndFollow, withRunConnections } from './run-command.js';

export async function listCommand(options: { env: string; limit: number; json: boolean }): Promise<void> {
  await withDatabase(async (database, settings) => {
    const project = await projectName(settings.root, options.env);
    const runs = await listRuns(database, options.env, project, options.limit);
    if (options.json) return print(runs);
    if (runs.length === 0) return void process.stdout.write('no runs yet; start one with `plumbline run`\n');
    const rows = runs.map((run) => [
      run.run_id,
      run.status,
      run.started_at.slice(0, 19),
      run.stages.join(','),
      intervalOf(run),
      errorOf(run),
    ]);
    process.stdout.write(`${table([['RUN', 'STATUS', 'STARTED (UTC)', 'STAGES', 'INTERVAL', ''], ...rows])}\n`);
  });
}

export interface RunOptions {
  /** Any of the project where it is not given. */
  readonly env?: string;
  readonly json: boolean;
}

export async function showCommand(id: string, options: RunOptions): Promise<void> {
  await withDatabase(async (database, settings) => {
    const run = await oneRun(database, settings, id, options);
    const steps = await listSteps(database, run.run_id);
    const about = intervalOf(run);
    if (options.json) return print({ run, steps });
    process.stdout.write(
      `run ${run.run_id}   ${run.status}   started ${run.started_at.slice(0, 19)} UTC by ${run.started_by}   code ${run.bundle.slice(0, 12)}${about === '' ? '' : `   interval ${about}`}\n`,
    );
    for (const { line } of renderSteps(steps, run.status !== 'running')) process.stdout.write(`${line}\n`);
    if (run.status === 'failed')
      printError(failureOf(run, steps), { verbose: process.argv.includes('--verbose'), json: false });
  });
}

export async function watchCommand(id: string, options: RunOptions): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  await withRunConnections(settings, async (connections) => {
    const run = await oneRun(connections.database, settings, id, options);
    await followToEnd(settings, connections, {
      runId: run.run_id,
      workflowId: run.workflow_id,
      json: options.json,
      began: Date.parse(iso(run.started_at)),
    });
  });
}

export async function cancelCommand(id: string, options: RunOptions): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const database = connectDatabase(settings);
  try {
    const run = await oneRun(database, settings, id, options);
    requireRunning(run);
    const temporal = await connectTemporal(settings);
    try {
      const workflow = await findRunWorkflow(temporal, run.workflow_id);
      if (workflow?.runId !== run.run_id || workflow.status !== 'RUNNING') {
        // It may have ended by itself since its record was read.
        for (const now of await findRun(database, run.run_id)) requireRunning(now);
        // Cancelling by id would hit whichever run of the project has it now.
        const error = {
          code: 'RUN_ENDED_OUTSIDE',
          message: `Run ${run.run_id} ended in Temporal before it could close itself.`,
        };
        await database.transaction((session) => closeRunRow(session, run.run_id, 'failed', error));
        throw new TerminalError(
          'RUN_ENDED_OUTSIDE',
          `Cancelling run ${run.run_id} failed: its workflow ended already.`,
          {
            next: 'See `plumbline runs list` for the run that is in progress.',
          },
        );
      }
      await markCancelled(database, run.run_id, userName());
      await temporal.client.workflow.getHandle(run.workflow_id).cancel();
    } finally {
      await temporal.close();
    }
    if (options.json) print({ runId: run.run_id, cancelRequested: true });
    else process.stdout.write(`cancelling run ${run.run_id}; see \`plumbline runs show ${run.run_id}\`\n`);
  } finally {
    await database.close();
  }
}

function requireRunning({ run_id: runId, status, started_by: startedBy }: RunRow): void {
  if (status === 'running') return;
  const [by, name] = startedBy.split(' ');
  // It may have begun the next run meanwhile.
  const goesOn = by === 'schedule' ? `schedule cancel ${name}` : by === 'backfill' ? 'backfills cancel' : undefined;
  throw new TerminalError('RUN_ENDED', `Cancelling run ${runId} failed: it ended already (${status}).`, {
    next: `See how it ended with \`plumbline runs show ${runId}\`${goesOn === undefined ? '' : `; what began it is ended, with the run it is at, by \`plumbline ${goesOn}\``}.`,
  });
}

export async function retryCommand(id: string, options: RunOptions & { readonly detach: boolean }): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  await withRunConnections(settings, async (connections) => {
    const run = await oneRun(connections.database, settings, id, options);
    const bundle = await findBundle(connections.database, run.bundle);
    if (bundle === undefined) {
      throw new TerminalError(
        'RUN_NOT_FOUND',
        `Retrying run ${run.run_id} failed: its code bundle ${run.bundle} is not recorded.`,
        { next: 'Start a new run with `plumbline run`.' },
      );
    }
    await startAndFollow(
      settings,
      connections,
      {
        env: run.env,
        project: run.project,
        bundle: { digest: bundle.digest, artifact: bundle.artifact },
        // The code is that of the run, so its data are too, whichever copy of the project this is.
        root: typeof run.options['root'] === 'string' ? run.options['root'] : settings.root,
        stages: run.stages.filter((stage): stage is Stage => (STAGES as readonly string[]).includes(stage)),
        force: false,
        ...halfOfRun(run),
        retryOf: run.run_id,
      },
      options,
    );
  });
}

/** The run of this folder's project whose id is or begins with `id`; a database may be shared with others. */
export async function oneRun(
  database: OpenDatabase,
  settings: Settings,
  id: string,
  { env }: Pick<RunOptions, 'env'>,
): Promise<RunRow> {
  const project = await projectName(settings.root, env);
  let found = await findRun(database, id, { project, env });
  // A worker writes the record, a moment after `run --detach` has told the id.
  for (const deadline = Date.now() + RECORD_MS; found.length === 0 && isWholeId(id) && Date.now() < deadline;) {
    await sleep(200);
    found = await findRun(database, id, { project, env });
  }
  const exact = found.find((run) => run.run_id === id) ?? (found.length === 1 ? found[0] : undefined);
  if (exact !== undefined) {
    tellFor(exact.env);
    return exact;
  }
  throw new TerminalError(
    'RUN_NOT_FOUND',
    `Looking for run ${id} of ${project}${env === undefined ? '' : ` in ${env}`} found ${found.length === 0 ? 'none' : 'several that begin so'}.`,
    { next: 'See `plumbline runs list`.' },
  );
}

const RECORD_MS = 5_000;

function isWholeId(id: string): boolean {
  return /^[0-9a-f]{8}$/.test(id);
}

async function withDatabase(work: (database: OpenDatabase, settings: Settings) => Promise<void>): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const database = connectDatabase(settings);
  try {
    await work(database, settings);
  } finally {
    await database.close();
  }
}

function intervalOf(run: RunRow): string {
  const { interval } = halfOfRun(run);
  return interval === undefined ? '' : shownInterval(interval);
}

function errorOf(run: RunRow): string {
  const message = run.error?.['message'];
  return typeof message === 'string' ? oneLine(message, 80) : '';
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

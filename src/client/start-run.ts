import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OpenDatabase } from '../storage/database.js';
import { saveBundle } from '../storage/bundles.js';
import { TerminalError } from '../errors.js';
import type { RunTemplate } from '../contracts/intervals.js';
import { SEARCH_ATTRIBUTES, taskQueue, workflowId } from '../contracts/queues.js';
import { STAGES, type RunRef, type Stage } from '../contracts/run.js';
import { shownInterval } from '../model/data-interval.js';
import { knownSearchAttributes, type TemporalConnection } from './connect.js';

export interface RunRequest {
  readonly env: string;
  readonly project: string;
  readonly bundle: { readonly digest: string; readonly artifact: string };
  readonly root: string;
  readonly stages: readonly Stage[];
  readonly force: boolean;
  readonly only?: RunRef['only'];
  readonly select?: readonly string[];
  readonly exclude?: readonly string[];
  readonly rejects?: RunRef['rejects'];
  readonly acceptAnomaly?: boolean;
  readonly interval?: RunRef['interval'];
  readonly retryOf?: string;
}

export interface StartedRun {
  readonly runId: string;
  readonly workflowId: string;
}

/**
 * Starts the pipeline of a project; a second start while one runs throws RUN_ALREADY_RUNNING and says which.
 *
 * @param isOver whether a run is closed in its record: then its workflow is about to end, and is waited for
 */
export async function startRun(
  connection: TemporalConnection,
  request: RunRequest,
  isOver: (runId: string) => Promise<boolean>,
): Promise<StartedRun> {
  const run = await createRunRef(connection, request);
  const deadline = Date.now() + ENDING_MS;
  for (;;) {
    const running = await tryStart(connection, request, run);
    if (running === undefined) return { runId: run.runId, workflowId: workflowId(run.env, run.project, 'pipeline') };
    if (Date.now() > deadline || !(await isOver(running))) throw alreadyRunning(run, running);
    await sleep(250);
  }
}

// A worker killed right after it closed a run: its workflow's end is then another worker's, which takes over in 10 s.
const ENDING_MS = 15_000;

/** Undefined when it started; else the run that is in progress. */
async function tryStart(connection: TemporalConnection, request: RunRequest, run: RunRef): Promise<string | undefined> {
  const id = workflowId(run.env, run.project, 'pipeline');
  const { WorkflowExecutionAlreadyStartedError } = await import('@temporalio/client');
  try {
    await connection.client.workflow.start('pipeline', {
      taskQueue: taskQueue('default'),
      workflowId: id,
      workflowIdConflictPolicy: 'FAIL',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowTaskTimeout: '5s',
      staticSummary: runSummary(run),
      memo: { runId: run.runId, bundle: run.bundle.digest },
      args: [
        {
          run,
          stages: request.stages.length === 0 ? [...STAGES] : request.stages,
          startedBy: userName(),
          ...(request.retryOf === undefined ? {} : { retryOf: request.retryOf }),
        },
      ],
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const memo = (await connection.client.workflow.getHandle(id).describe()).memo;
    return typeof memo?.['runId'] === 'string' ? memo['runId'] : 'unknown';
  }
  return undefined;
}

/** What the Temporal UI shows of a run in its lists. */
function runSummary({ project, env, interval, runId }: RunRef): string {
  return [project, env, ...(interval === undefined ? [] : [shownInterval(interval)]), `run ${runId}`].join(' · ');
}

function alreadyRunning({ project, env }: RunRef, running: string): TerminalError {
  return new TerminalError(
    'RUN_ALREADY_RUNNING',
    `Starting a run of ${project} (${env}) failed: run ${running} is in progress.`,
    {
      details: { runId: running, workflowId: workflowId(env, project, 'pipeline') },
      next: `Watch it with \`plumbline runs watch ${running}\`, or stop it with \`plumbline runs cancel ${running}\`.`,
    },
  );
}

export async function createRunRef(connection: TemporalConnection, request: RunRequest): Promise<RunRef> {
  const known = await knownSearchAttributes(connection);
  return {
    runId: randomBytes(4).toString('hex'),
    env: request.env,
    project: request.project,
    bundle: request.bundle,
    root: request.root,
    searchAttributes: Object.keys(SEARCH_ATTRIBUTES).filter((name) => known.includes(name)),
    force: request.force,
    ...(request.only === undefined ? {} : { only: request.only }),
    ...(request.interval === undefined ? {} : { interval: request.interval }),
    ...(request.select === undefined ? {} : { select: request.select }),
    ...(request.exclude === undefined ? {} : { exclude: request.exclude }),
    ...(request.acceptAnomaly === true ? { acceptAnomaly: true } : {}),
    ...(request.rejects === undefined ? {} : { rejects: request.rejects }),
  };
}

/** What the runs of a schedule or a backfill have in common. */
export async function createRunTemplate(
  connection: TemporalConnection,
  request: Pick<RunRequest, 'env' | 'project' | 'bundle' | 'root' | 'force' | 'only' | 'select' | 'exclude'>,
): Promise<RunTemplate> {
  const { runId: _runId, ...template } = await createRunRef(connection, { ...request, stages: [] });
  return template;
}

export async function recordBundle(
  database: OpenDatabase,
  project: string,
  bundle: {
    digest: string;
    artifact: { sha256: string };
    files: Readonly<Record<string, string>>;
    gitCommit?: string;
    gitDirty?: boolean;
  },
): Promise<void> {
  await saveBundle(database, {
    digest: bundle.digest,
    artifact: bundle.artifact.sha256,
    project,
    git_commit: bundle.gitCommit ?? null,
    git_dirty: bundle.gitDirty ?? null,
    files: bundle.files,
  });
}

export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's uid need not have a name.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

import { connectDatabase, connectTemporal, requireWorker } from '../client/connect.js';
import { openStore } from '../storage/open-store.js';
import { startRun, type RunRequest } from '../client/start-run.js';
import { loadSettings, type Settings } from '../config.js';
import type { RunRef, Stage } from '../contracts/run.js';
import { readPointer } from '../deployment/read-versions.js';
import { shownInterval } from '../model/data-interval.js';
import type { Queryable } from '../model/database.js';
import { loadProject } from '../project/load-project.js';
import type { StepRow } from '../storage/run-steps.js';
import { isClosed, type RunRow } from '../storage/runs.js';
import { pc } from './colors.js';
import { compileProject } from './compile-project.js';
import { duration } from './format.js';
import { followRun } from './follow-run.js';
import { intervalOption } from './interval-option.js';
import { EXIT } from './print-error.js';
import { sendBundle } from './send-bundle.js';

export interface RunCommandOptions {
  readonly env: string;
  readonly stages: readonly Stage[];
  readonly only?: RunRef['only'];
  readonly select?: readonly string[];
  readonly exclude?: readonly string[];
  readonly interval?: string;
  readonly force: boolean;
  readonly acceptAnomaly: boolean;
  readonly detach: boolean;
  readonly json: boolean;
}

/** `plumbline run`: checks the project here, sends its code as a bundle, starts the pipeline and follows it. */
export async function runCommand(options: RunCommandOptions): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const project = await loadProject({ root: settings.root, env: options.env });
  compileProject(project, options);
  const isAboutData = options.stages.length === 0 || options.stages.includes('elt');
  const interval = isAboutData ? intervalOption(options.interval, project, new Date()) : undefined;
  await withRunConnections(settings, async (connections) => {
    const bundle = await sendBundle(settings, connections.database, project.name);
    await startAndFollow(
      settings,
      connections,
      {
        env: options.env,
        project: project.name,
        bundle,
        root: settings.root,
        stages: options.stages,
        force: options.force,
        acceptAnomaly: options.acceptAnomaly,
        only: options.only,
        ...(interval === undefined ? {} : { interval }),
        ...(options.select === undefined ? {} : { select: options.select }),
        ...(options.exclude === undefined ? {} : { exclude: options.exclude }),
      },
      options,
    );
  });
}

export type RunConnections = {
  readonly database: ReturnType<typeof connectDatabase>;
  readonly temporal: Awaited<ReturnType<typeof connectTemporal>>;
};

/** PostgreSQL, Temporal and a living worker, each checked within seconds, closed afterwards. */
export async function withRunConnections(
  settings: Settings,
  work: (connections: RunConnections) => Promise<void>,
): Promise<void> {
  const database = connectDatabase(settings);
  try {
    await database.query('SELECT 1');
    const temporal = await connectTemporal(settings);
    try {
      await requireWorker(database, 'default');
      await work({ database, temporal });
    } finally {
      await temporal.close();
    }
  } finally {
    await database.close();
  }
}

export async function startAndFollow(
  settings: Settings,
  { database, temporal }: RunConnections,
  request: RunRequest,
  options: { readonly detach: boolean; readonly json: boolean },
): Promise<void> {
  if (request.stages.length === 0 || request.stages.includes('training')) await requireWorker(database, 'heavy');
  const started = await startRun(temporal, request, (runId) => isClosed(database, runId));
  const about = request.interval === undefined ? '' : ` · ${shownInterval(request.interval)}`;
  const heading = `${pc.bold(request.project)} · ${request.env}${about} · run ${started.runId}${settings.temporalUiUrl === undefined ? '' : ` · ${runUrl(settings, started.workflowId)}`}`;
  if (options.detach) {
    if (options.json) print({ runId: started.runId, workflowId: started.workflowId });
    else process.stdout.write(`${heading}\nstarted; watch it with \`plumbline runs watch ${started.runId}\`\n`);
    return;
  }
  if (!options.json) process.stdout.write(`${heading}\n`);
  await followToEnd(settings, { database, temporal }, { ...started, json: options.json, began: Date.now() });
}

/** Follows until the end; Ctrl-C leaves the run alone and says how to come back. */
export async function followToEnd(
  settings: Settings,
  { database, temporal }: RunConnections,
  run: {
    readonly runId: string;
    readonly workflowId: string;
    readonly json: boolean;
    readonly began: number;
  },
): Promise<void> {
  const interrupt = new AbortController();
  const onInterrupt = (): void => interrupt.abort();
  process.once('SIGINT', onInterrupt);
  try {
    const followed = await followRun({
      database,
      temporal,
      runId: run.runId,
      workflowId: run.workflowId,
      show: !run.json,
      signal: interrupt.signal,
    });
    if (followed.detached) {
      process.exitCode = EXIT.interrupted;
      if (run.json) return print({ runId: run.runId, workflowId: run.workflowId, status: 'running', detached: true });
      process.stdout.write(
        `\ndetached; the run goes on. Come back with \`plumbline runs watch ${run.runId}\`, stop it with \`plumbline runs cancel ${run.runId}\`\n`,
      );
      return;
    }
    if (run.json) print({ run: followed.run, steps: followed.steps });
    else
      process.stdout.write(
        `${pc.green('done')} in ${duration(Date.now() - run.began)}.${await nextHint(settings, database, followed.run, followed.steps)}\n`,
      );
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

/** What to do after a run that went well. */
export async function nextHint(
  settings: Settings,
  database: Queryable,
  { env, project, result }: Pick<RunRow, 'env' | 'project' | 'result'>,
  steps: readonly StepRow[],
): Promise<string> {
  const deployed = result?.['deployment'] as { model?: string; status?: string; reason?: string } | undefined;
  const trained = result?.['training'] as { model: string; version: number } | undefined;
  if (deployed?.status === 'waiting_for_approval') {
    // The run does not wait for a deployment that needs approval: the version may have it since an earlier run.
    const key = trained && { env, project, model: trained.model };
    const serving = key && (await readPointer(database, key));
    if (serving === undefined || serving.version !== trained?.version)
      return ` Waiting for approval: \`${deployed.reason}\``;
    return ` ${trained.model} v${trained.version} serves already.`;
  }
  if (deployed?.status === 'held_back') return ` Not deployed: ${deployed.reason}`;
  if (deployed?.status === 'not_deployed' && trained !== undefined) {
    const promote = `plumbline models promote ${trained.model} ${trained.version} --reason …`;
    return ` Not deployed: a gate failed. What serves stays; \`${promote}\` overrules the gates.`;
  }
  if (deployed?.model === undefined) return '';
  const { exampleInput } = await import('./example-input.js');
  const example = (await exampleInput(openStore(settings), steps)) ?? '{…}';
  const { url, isKnown } = settings.serving;
  // The servers of a stack elsewhere have addresses that nothing here tells; the one of `up` serves dev.
  if (isKnown && (await serves(url, env)))
    return ` Serving at ${url}/models/${deployed.model}. Try:\n  plumbline predict ${deployed.model} --json '${example}'`;
  const servers = env === 'dev' ? 'every server of the project' : `every server of ${env} (\`plumbline serve\` is one)`;
  return ` Model ${deployed.model} goes live on ${servers}. Try, with the address of one:\n  plumbline predict ${deployed.model} --url http://… --json '${example}'`;
}

/** Whether the server there is one of the environment; one that does not answer is taken for that of `up`. */
async function serves(url: string, env: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/v2/health/ready`, { signal: AbortSignal.timeout(2_000) });
    const health = (await response.json()) as { readonly env?: string };
    return health.env === undefined || health.env === env;
  } catch {
    return env === 'dev';
  }
}

export function runUrl(settings: Settings, workflowId: string): string {
  return `${settings.temporalUiUrl}/namespaces/${settings.temporal.namespace}/workflows/${encodeURIComponent(workflowId)}`;
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

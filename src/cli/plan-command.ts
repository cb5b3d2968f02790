import type { TemporalConnection } from '../client/connect.js';
import { createRunRef } from '../client/start-run.js';
import { workflowError } from '../client/workflow-error.js';
import { loadSettings } from '../config.js';
import { taskQueue, workflowId } from '../contracts/queues.js';
import type { PlanResult, RunRef } from '../contracts/run.js';
import { shownInterval, type DataInterval } from '../model/data-interval.js';
import { isSelected } from '../model/selection.js';
import { loadProject } from '../project/load-project.js';
import { pc } from './colors.js';
import { compileProject } from './compile-project.js';
import { table } from './format.js';
import { intervalOption } from './interval-option.js';
import { StepFailure } from './print-error.js';
import { withRunConnections } from './run-command.js';
import { sendBundle } from './send-bundle.js';

export interface PlanOptions {
  readonly env: string;
  readonly select?: readonly string[];
  readonly exclude?: readonly string[];
  readonly interval?: string;
  readonly force: boolean;
  readonly json: boolean;
}

/** `plumbline plan`: asks a worker, because there the files and the recorded outcomes are. */
export async function planCommand(options: PlanOptions): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const project = await loadProject({ root: settings.root, env: options.env });
  compileProject(project, { select: options.select, exclude: options.exclude });
  const interval = intervalOption(options.interval, project, new Date());
  await withRunConnections(settings, async ({ database, temporal }) => {
    const bundle = await sendBundle(settings, database, project.name);
    const run = await createRunRef(temporal, {
      env: options.env,
      project: project.name,
      bundle,
      root: settings.root,
      stages: [],
      force: options.force,
      ...(interval === undefined ? {} : { interval }),
      ...(isSelected(options) ? { only: 'transform', select: options.select, exclude: options.exclude } : {}),
    });
    const result = await planRun(temporal, run);
    process.stdout.write(
      options.json ? `${JSON.stringify(result, null, 2)}\n` : render(project.name, options.env, interval, result),
    );
  });
}

/** Throws what the worker says is wrong with the project, as `run` would show it. */
async function planRun({ client }: TemporalConnection, run: RunRef): Promise<PlanResult> {
  try {
    return (await client.workflow.execute('plan', {
      taskQueue: taskQueue('default'),
      workflowId: workflowId(run.env, run.project, 'plan', run.runId),
      workflowExecutionTimeout: '2 minutes',
      args: [{ run }],
    })) as PlanResult;
  } catch (error) {
    const described = workflowError(error);
    throw described === undefined ? error : new StepFailure(described);
  }
}

function render(
  project: string,
  env: string,
  interval: DataInterval | undefined,
  { lines, defaults, assumptions, warnings = [], schemaChanges = [] }: PlanResult,
): string {
  const about = interval === undefined ? '' : ` · ${shownInterval(interval)}`;
  const rows = lines.map(({ step, action, reason }) => [`  ${action}`, step, reason]);
  const section = (title: string, items: readonly string[]): string =>
    items.length === 0 ? '' : `${pc.bold(title)}\n${items.map((item) => `  ${item}`).join('\n')}\n`;
  return `${pc.bold(project)} · ${env}${about}\n${table(rows)}\n${section('warnings', warnings)}${section('changed by the newest load', schemaChanges)}${section('defaults', defaults)}${section('assumptions', assumptions)}`;
}

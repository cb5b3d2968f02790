import { setTimeout as sleep } from 'node:timers/promises';
import { connectDatabase } from '../client/connect.js';
import { loadSettings } from '../config.js';
import { TerminalError } from '../errors.js';
import type { Database } from '../model/database.js';
import { listSteps } from '../storage/run-steps.js';
import { readLog, type LogBlock } from '../storage/run-logs.js';
import { findRun, type RunRow } from '../storage/runs.js';
import { pc } from './colors.js';
import { count, stepTitle } from './format.js';
import { createPatience, PATIENCE_MS } from './patience.js';
import { iso } from './render-run.js';
import { oneRun, type RunOptions } from './runs-command.js';
import { asItIs } from './told-commands.js';
import { plural } from '../model/plural.js';

export interface RunLogsOptions extends RunOptions {
  readonly resource?: string;
  /** Goes on until the run has ended. */
  readonly follow: boolean;
}

/** `plumbline runs logs`: what the programs of a run printed, step by step, or line by line as JSON. */
export async function runLogsCommand(id: string, options: RunLogsOptions): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const database = connectDatabase(settings);
  try {
    const run = await oneRun(database, settings, id, options);
    const steps = options.resource === undefined ? undefined : await stepsOf(database, run, options.resource);
    const show = options.json ? showAsJson : createScreen();
    const isEmpty = !(await showLog(database, run, { ...options, steps, show }));
    if (isEmpty && !options.json)
      process.stdout.write(`no program of run ${run.run_id} has printed anything${run.status === 'running' ? ' yet' : ''}\n`); // prettier-ignore
  } finally {
    await database.close();
  }
}

/** Says whether there was a line. Waits, while it follows, for a server that restarts. */
async function showLog(
  database: Database,
  run: RunRow,
  options: {
    readonly follow: boolean;
    readonly steps: readonly string[] | undefined;
    readonly show: (block: LogBlock) => void;
  },
): Promise<boolean> {
  const { steps, show } = options;
  const after: Record<string, number> = {};
  const patience = createPatience(run.run_id, PATIENCE_MS);
  const read = async (): Promise<{ readonly blocks: LogBlock[]; readonly isEnded: boolean }> => {
    const [now] = await findRun(database, run.run_id);
    // In this order: what was printed before the end is there after it.
    return { isEnded: now?.status !== 'running', blocks: await readLog(database, run.run_id, { after, steps }) };
  };
  for (;;) {
    const seen = options.follow ? await patience(read) : await read();
    for (const block of seen?.blocks ?? []) {
      show(block);
      after[block.step] = block.firstLine;
    }
    if (seen !== undefined && seen.blocks.length > 0) continue;
    if (!options.follow || seen?.isEnded === true) return Object.keys(after).length > 0;
    await sleep(500);
  }
}

/** As `tail -f` tells several files apart. */
function createScreen(): (block: LogBlock) => void {
  const next = new Map<string, number>();
  let shown = '';
  return ({ step, attempt, at, firstLine, lines, content }) => {
    const title = `${stepTitle(step)}${attempt === 1 ? '' : `, attempt ${attempt}`}`;
    let output = '';
    if (title !== shown) output += pc.dim(`${shown === '' ? '' : '\n'}==> ${title}, ${iso(at).slice(11, 19)} UTC <==`) + '\n'; // prettier-ignore
    const missing = firstLine - (next.get(step) ?? 1);
    if (missing > 0)
      output +=
        pc.dim(
          `… ${count(missing)} ${plural(missing, 'line is', 'lines are')} not kept: only the last MiB of a step is`,
        ) + '\n';
    shown = title;
    next.set(step, firstLine + lines);
    asItIs(() => process.stdout.write(output + content));
  };
}

function showAsJson({ step, attempt, at, firstLine, content }: LogBlock): void {
  const lines = content.slice(0, -1).split('\n');
  const output = lines.map((text, index) => `${JSON.stringify({ step, attempt, at: iso(at), line: firstLine + index, text })}\n`); // prettier-ignore
  asItIs(() => process.stdout.write(output.join('')));
}

/** The steps in which programs of a resource run: its source's or its parser's. */
async function stepsOf(database: Database, run: RunRow, resource: string): Promise<string[]> {
  const steps = await listSteps(database, run.run_id);
  const resources = new Set(steps.flatMap(({ step }) => /^(?:extract|load):([^#]+)/.exec(step)?.[1] ?? []));
  if (resources.has(resource) || resources.size === 0) return [`extract:${resource}`, `load:${resource}`];
  throw new TerminalError(
    'RUN_STEP_MISSING',
    `Looking for resource ${JSON.stringify(resource)} in run ${run.run_id} found none; it has ${[...resources].sort().join(', ')}.`,
    { next: 'Correct the name, or leave `--resource` out.' },
  );
}

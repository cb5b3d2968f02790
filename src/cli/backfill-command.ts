import { setTimeout as sleep } from 'node:timers/promises';
import { backfillProgress, changeBackfill, startBackfill } from '../client/backfills.js';
import { connectDatabase, connectTemporal, requireWorker } from '../client/connect.js';
import { stagesOf } from '../client/schedule-options.js';
import { createRunTemplate, userName } from '../client/start-run.js';
import { loadSettings, type Settings } from '../config.js';
import type { BackfillProgress } from '../contracts/intervals.js';
import type { RunInterval } from '../contracts/run.js';
import { landedAhead } from '../elt/extract/landed-ahead.js';
import { TerminalError, TransientError } from '../errors.js';
import { instant, isoTime, shownInterval } from '../model/data-interval.js';
import { lastCompleteInterval, type IntervalGrid, type IntervalLength } from '../model/interval-grid.js';
import { parseMoment } from '../model/parse-interval.js';
import { isWanted, planIntervals, type PlannedInterval, type Skip } from '../model/plan-intervals.js';
import type { Project, StageName } from '../model/project.js';
import { partName, selectionOf } from '../model/selection.js';
import { loadProject } from '../project/load-project.js';
import { projectName } from '../project/project-name.js';
import { listIntervals } from '../storage/intervals.js';
import { failedRunsBy, markChildCancelled, type RunRow } from '../storage/runs.js';
import { chooseGrid } from './choose-grid.js';
import { pc } from './colors.js';
import { compileProject } from './compile-project.js';
import { count, table } from './format.js';
import { EXIT } from './print-error.js';
import { boundary, requireBoundary } from './require-boundary.js';
import { withRunConnections, type RunConnections } from './run-command.js';
import { sendBundle } from './send-bundle.js';
import { plural } from '../model/plural.js';

export interface BackfillCommandOptions {
  readonly env: string;
  readonly from: string;
  readonly to: string;
  readonly interval?: IntervalLength;
  readonly stages: readonly StageName[];
  readonly select?: readonly string[];
  readonly exclude?: readonly string[];
  readonly parallel: number;
  readonly dryRun: boolean;
  readonly failedOnly: boolean;
  readonly force: boolean;
  readonly detach: boolean;
  readonly json: boolean;
}

/** `plumbline backfill`: shows which intervals there are to do, starts them and follows. */
export async function backfillCommand(options: BackfillCommandOptions): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const project = await loadProject({ root: settings.root, env: options.env });
  const selection = selectionOf(options.stages, options);
  compileProject(project, selection);
  const grid = chooseGrid(project, options.interval);
  const range = alignedRange(options, grid);
  await withRunConnections(settings, async (connections) => {
    const owner = { env: options.env, project: project.name };
    const span = { from: instant(range.from), until: instant(range.until) };
    const records = await listIntervals(connections.database, { ...owner, part: partName(selection) }, span);
    const planned = [...planIntervals(grid, span, records)];
    const wanted = planned.filter((one) => isWanted(one, { failedOnly: options.failedOnly, again: options.force }));
    const ahead = landedAhead(project, selection).map(({ id }) => id);
    if (options.dryRun || wanted.length === 0) return preview(planned, wanted, ahead, options);
    const parallel = ahead.length === 0 ? 1 : options.parallel;
    const backfillId = await start(settings, connections, { project, grid, range, options: { ...options, parallel } });
    if (!options.json)
      process.stdout.write(`${summary(planned, wanted)}\n${order(options, ahead)}backfill ${backfillId} started\n`);
    if (options.detach) return void (options.json && print({ backfillId, intervals: wanted.length }));
    const ended = await follow(connections, owner, options.json);
    if (ended !== undefined && ended.failed > 0 && !options.json)
      process.stdout.write(failures(await failedRunsBy(connections.database, owner, `backfill ${backfillId}`)));
  });
}

/** Which runs of the backfill failed, and where it is said why; nothing for one that could not even be recorded. */
export function failures(failed: readonly Pick<RunRow, 'run_id' | 'options'>[]): string {
  const [first] = failed;
  if (first === undefined) return '';
  const rows = failed.slice(0, 10).map(({ run_id: runId, options }) => {
    const { interval } = options as { readonly interval?: RunInterval };
    return ['  failed', interval === undefined ? '' : shownInterval(interval), runId];
  });
  const rest = failed.length > 10 ? `\n  … and ${count(failed.length - 10)} more` : '';
  return `${table(rows)}${rest}\nsee why with \`plumbline runs show ${first.run_id}\`\n`;
}

async function start(
  settings: Settings,
  { database, temporal }: RunConnections,
  work: {
    project: Project;
    grid: IntervalGrid;
    range: { from: string; until: string };
    options: BackfillCommandOptions;
  },
): Promise<string> {
  const { project, grid, range, options } = work;
  const stages = stagesOf(options.stages);
  if (stages.includes('training')) await requireWorker(database, 'heavy');
  const bundle = await sendBundle(settings, database, project.name);
  const template = await createRunTemplate(temporal, {
    env: options.env,
    project: project.name,
    bundle,
    root: settings.root,
    force: options.force,
    ...selectionOf(options.stages, options),
  });
  const { failedOnly, parallel } = options;
  return startBackfill(temporal, {
    ...{ template, stages, grid, ...range, failedOnly, who: userName() },
    ...(parallel === 1 ? {} : { parallel }),
  });
}

/** From boundary to boundary, and over. Throws `INTERVAL_INVALID`. */
function alignedRange({ from, to }: BackfillCommandOptions, grid: IntervalGrid): { from: string; until: string } {
  const [start, end] = [from, to].map((text) => parseMoment(text, grid.timezone));
  requireBoundary('from', isoTime(start!), grid);
  requireBoundary('to', isoTime(end!), grid);
  const over = lastCompleteInterval(grid, Date.now()).end;
  if (end!.toMillis() > instant(over))
    throw new TerminalError('INTERVAL_INVALID', `Reading --to failed: the interval before ${to} is not over yet.`, {
      next: `Use --to ${boundary(over, grid)} or earlier; a schedule does what follows.`,
    });
  if (end! <= start!)
    throw new TerminalError('INTERVAL_INVALID', `Reading the range failed: --to ${to} is not after --from ${from}.`, {
      next: '--to is the first moment that does not belong to it.',
    });
  return { from: isoTime(start!), until: isoTime(end!) };
}

function preview(
  planned: readonly PlannedInterval[],
  wanted: readonly PlannedInterval[],
  ahead: readonly string[],
  options: BackfillCommandOptions,
): void {
  const shown = planned.map(({ interval, state, runId, skip }) => ({
    interval: shownInterval(interval),
    state,
    ...(runId === undefined ? {} : { runId }),
    ...(skip === undefined ? {} : { skip }),
    wanted: wanted.some((one) => one.interval === interval),
  }));
  if (options.json) return print({ intervals: shown, ...(options.parallel === 1 ? {} : { ahead }) });
  const rows = shown
    .slice(0, 60)
    .map((one) => [one.wanted ? 'run ' : '    ', one.interval, one.state, one.runId ?? '', skipWords(one.skip)]);
  const rest = shown.length > 60 ? `\n… and ${count(shown.length - 60)} more` : '';
  process.stdout.write(`${table(rows)}${rest}\n${summary(planned, wanted)}\n${order(options, ahead)}`);
}

function skipWords(skip: Skip | undefined): string {
  return skip === undefined ? '' : `by ${skip.by}: ${skip.reason}`;
}

/** What goes on at the same time, and what does not. */
function order({ parallel }: BackfillCommandOptions, ahead: readonly string[]): string {
  if (parallel === 1) return '';
  return ahead.length === 0
    ? 'one at a time: no source is asked for an interval over HTTP or S3, so there is nothing to fetch ahead\n'
    : `${parallel} at a time: ${ahead.join(', ')} fetched ahead; each interval is loaded, built and tested by itself, the oldest first\n`;
}

function summary(planned: readonly PlannedInterval[], wanted: readonly PlannedInterval[]): string {
  const states = ['missing', 'failed', 'running', 'done', 'skipped'] as const;
  const counts = states.flatMap((state) => {
    const found = planned.filter((one) => one.state === state).length;
    return state === 'skipped' && found === 0 ? [] : [`${count(found)} ${state}`];
  });
  return `${count(planned.length)} ${plural(planned.length, 'interval')}: ${counts.join(', ')}; ${count(wanted.length)} to run`;
}

/** `plumbline backfills show|pause|resume|cancel` */
export async function changeCommand(
  change: 'show' | 'pause' | 'resume' | 'cancel',
  options: { readonly env: string; readonly json: boolean },
): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const owner = { env: options.env, project: await projectName(settings.root, options.env) };
  if (change !== 'show') return tell(settings, owner, change, options.json);
  await withRunConnections(settings, async ({ temporal }) => {
    const progress = await backfillProgress(temporal, owner);
    if (options.json) return print(progress ?? null);
    process.stdout.write(`${progress === undefined ? 'no backfill was started' : line(progress)}\n`);
  });
}

/** Temporal keeps it until a worker is there. */
async function tell(
  settings: Settings,
  owner: { readonly env: string; readonly project: string },
  change: 'pause' | 'resume' | 'cancel',
  json: boolean,
): Promise<void> {
  const temporal = await connectTemporal(settings);
  try {
    if (change === 'cancel') await markCancelledHere(settings, owner);
    await changeBackfill(temporal, owner, change);
  } finally {
    await temporal.close();
  }
  const words = { pause: 'pausing behind the run in progress', resume: 'going on', cancel: 'cancelling' };
  if (json) print({ change });
  else process.stdout.write(`${words[change]}; see \`plumbline backfills show\`\n`);
}

/** So that nobody is alarmed. PostgreSQL may be away: the cancellation itself does not need it. */
async function markCancelledHere(
  settings: Settings,
  owner: { readonly env: string; readonly project: string },
): Promise<void> {
  if (settings.databaseUrl === undefined) return;
  const database = connectDatabase(settings, 1);
  try {
    await markChildCancelled(database, owner, 'backfill', userName());
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
  } finally {
    await database.close();
  }
}

async function follow(
  { temporal }: RunConnections,
  owner: { readonly env: string; readonly project: string },
  json: boolean,
): Promise<BackfillProgress | undefined> {
  const interrupt = new AbortController();
  const onInterrupt = (): void => interrupt.abort();
  process.once('SIGINT', onInterrupt);
  try {
    let last = '';
    for (;;) {
      const progress = await backfillProgress(temporal, owner);
      // Between two runs there is nothing to tell, unless something is fetched for the next.
      const isNews =
        progress !== undefined &&
        (progress.runId !== undefined || progress.state !== 'running' || (progress.ahead ?? 0) > 0);
      if (isNews && !json && line(progress) !== last) {
        last = line(progress);
        process.stdout.write(`${last}\n`);
      }
      if (progress?.state === 'over') {
        if (json) print(progress);
        if (!json && progress.left > 0 && progress.status === 'completed')
          process.stdout.write('stopped after three failures in a row; correct what is wrong, then start it again\n');
        if (progress.failed > 0 || progress.status !== 'completed') process.exitCode = EXIT.failed;
        return progress;
      }
      if (interrupt.signal.aborted) {
        process.exitCode = EXIT.interrupted;
        process.stdout.write(
          '\ndetached; it goes on. See `plumbline backfills show`, end it with `plumbline backfills cancel`\n',
        );
        return undefined;
      }
      await sleep(1_000, undefined, { signal: interrupt.signal }).catch(() => {});
    }
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

function line({ state, done, failed, left, ahead = 0, interval, runId }: BackfillProgress): string {
  const [start = '', end = ''] = interval?.split('/') ?? [];
  const running = runId === undefined ? '' : `   run ${runId} (${shownInterval({ start, end })})`;
  const failures = failed === 0 ? '0 failed' : pc.red(`${failed} failed`);
  const others = ahead === 0 ? '' : `   ${count(ahead)} fetched ahead`;
  return `  ${state}   ${count(done)} done   ${failures}   ${count(left)} left${running}${others}`;
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

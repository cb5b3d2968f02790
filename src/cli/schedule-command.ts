import { applySchedules, planSchedules, type ApplyScope, type ScheduleChange } from '../client/apply-schedules.js';
import { connectDatabase, connectTemporal, requireSharedStore } from '../client/connect.js';
import { endStarts, onTemporalSchedule, removeTemporalSchedule } from '../client/find-schedule.js';
import { describeSchedules, type ListedSchedule } from '../client/list-schedules.js';
import { createRunTemplate, recordBundle, userName } from '../client/start-run.js';
import { loadSettings, type Settings } from '../config.js';
import { TerminalError } from '../errors.js';
import { codeDigest } from '../project/code-digest.js';
import { partOf } from '../model/selection.js';
import { loadProject } from '../project/load-project.js';
import { shownDuration } from '../project/duration.js';
import { packBundle } from '../project/pack-bundle.js';
import { projectName } from '../project/project-name.js';
import { markChildCancelled } from '../storage/runs.js';
import { databaseClock } from '../storage/database-clock.js';
import { deleteSchedule, findSchedule, listSchedules, markPaused } from '../storage/schedules.js';
import { checkSchedules } from './check-schedules.js';
import { pc } from './colors.js';
import { compileProject } from './compile-project.js';
import { table } from './format.js';
import type { RunConnections } from './run-command.js';

export interface ScheduleOptions {
  readonly env: string;
  readonly json: boolean;
}

/** `plumbline schedule apply`: shows what differs and makes it so, with the code as it is now. */
export async function applyCommand(options: ScheduleOptions & { readonly dryRun: boolean }): Promise<void> {
  await withServers(async (connections, settings) => {
    const project = await loadProject({ root: settings.root, env: options.env });
    compileProject(project);
    checkSchedules(project);
    const store = await requireSharedStore(settings, connections.database);
    const bundle = await packBundle({ root: settings.root, store });
    const template = await createRunTemplate(connections.temporal, {
      env: options.env,
      project: project.name,
      bundle: { digest: bundle.digest, artifact: bundle.artifact.sha256 },
      root: settings.root,
      force: false,
    });
    const scope: ApplyScope = { ...connections, project, template, appliedBy: userName(), now: new Date() };
    const changes = await planSchedules(scope);
    if (!options.dryRun) {
      await recordBundle(connections.database, project.name, bundle);
      await applyOrExplain(scope, changes);
    }
    if (options.json) return print(JSON.stringify({ dryRun: options.dryRun, changes }, null, 2));
    if (changes.length === 0) return print('plumbline.yaml has no schedule, and none was applied');
    for (const change of changes) print(renderChange(change));
    const commit = bundle.gitCommit === undefined ? '' : `, commit ${bundle.gitCommit.slice(0, 12)}`;
    const dirty = bundle.gitDirty === true ? ' and changes that are not committed' : '';
    print(
      options.dryRun
        ? pc.dim('nothing was changed (--dry-run)')
        : pc.dim(`they run the code as it is now: ${bundle.digest.slice(0, 12)}${commit}${dirty}`),
    );
  });
}

async function applyOrExplain(scope: ApplyScope, changes: readonly ScheduleChange[]): Promise<void> {
  const { isGrpcServiceError } = await import('@temporalio/client');
  try {
    await applySchedules(scope, changes);
  } catch (error) {
    const INVALID_ARGUMENT = 3;
    const cause: unknown = error instanceof Error ? (error.cause ?? error) : error;
    if (!isGrpcServiceError(cause) || (cause.code as number) !== INVALID_ARGUMENT) throw error;
    throw new TerminalError('SCHEDULE_REFUSED', `Temporal refused a schedule: ${cause.details}.`, {
      next: 'Correct it under `schedule` in plumbline.yaml, then apply again.',
      cause: error,
    });
  }
}

/** `plumbline schedule list` */
export async function listCommand(options: ScheduleOptions): Promise<void> {
  await withServers(async (connections, settings) => {
    const name = await projectName(settings.root, options.env);
    const schedules = await describeSchedules(
      connections,
      { env: options.env, name },
      await databaseClock(connections.database),
    );
    const now = await codeDigest(settings.root);
    if (options.json)
      return print(JSON.stringify(schedules.map((one) => ({ ...one, isCodeOfNow: one.code.bundle === now })), null, 2)); // prettier-ignore
    if (schedules.length === 0) return print('no schedules yet; write `schedule:` and run `plumbline schedule apply`');
    const head = [
      'NAME',
      'WHEN',
      'PART',
      'STATE',
      'NEXT (UTC)',
      'LAST (UTC)',
      'LAST RUN',
      'LEFT OUT',
      'BEHIND',
      'CODE',
    ];
    print(table([head, ...schedules.map((one) => rowOf(one, now))]));
    for (const { name: of, note, state } of schedules) if (note !== undefined && state === 'paused') print(`${of}: ${note}`); // prettier-ignore
    if (schedules.some(({ code }) => code.bundle !== now))
      print(pc.dim('* the files here differ from the code that it runs: `plumbline schedule apply` takes them over'));
  });
}

function rowOf(one: ListedSchedule, now: string | undefined): string[] {
  const { cron, everyMs, timezone, interval } = one.definition;
  const when = cron ?? `every ${shownDuration(everyMs!)}`;
  const commit =
    one.code.gitCommit === undefined ? one.code.bundle.slice(0, 12) : `git ${one.code.gitCommit.slice(0, 10)}`;
  return [
    one.name,
    `${when}${timezone === 'UTC' ? '' : ` ${timezone}`}${interval === undefined ? '' : `, ${interval}`}`,
    partOf(one.definition),
    one.running > 0 ? `${one.state}, running` : one.state,
    time(one.next),
    time(one.last),
    one.lastRun === undefined ? '' : `${one.lastRun.run_id} ${one.lastRun.status}`,
    one.skipped + one.missed === 0 ? '' : `${one.skipped} skipped, ${one.missed} missed`,
    one.behind === undefined
      ? ''
      : `${one.behind}${one.skippedIntervals === undefined ? '' : ` (${one.skippedIntervals} skipped)`}`,
    `${commit}${one.code.gitDirty === true ? ' + changes' : ''}${one.code.bundle === now ? '' : ' *'}`,
  ];
}

/** `plumbline schedule pause|resume|trigger`: of one, or of all that were applied. A pause ends the start in progress behind its run. */
export async function changeCommand(
  change: 'pause' | 'resume' | 'trigger',
  name: string | undefined,
  options: ScheduleOptions & { readonly reason?: string },
): Promise<void> {
  await withOwner(options, async ({ database, temporal }, owner, key) => {
    const names = name === undefined ? (await listSchedules(database, key)).map((row) => row.name) : [name];
    // Before the start, which may be done with them soon.
    const idle = change === 'trigger' ? await withoutOpenIntervals({ database, temporal }, owner, names) : [];
    let ending = 0;
    for (const one of names)
      await onTemporalSchedule(temporal, owner, one, async (schedule) => {
        const note = options.reason ?? `${change === 'pause' ? 'paused' : 'resumed'} by ${userName()}`;
        if (change === 'pause') {
          await schedule.pause(note);
          ending += await endStarts(temporal, await schedule.describe(), 'behind their run');
          await markPaused(database, key, one, true);
        } else if (change === 'resume') {
          // First: one that is said to be paused and is not would be missed by nobody.
          await markPaused(database, key, one, false);
          await schedule.unpause(note);
        }
        // Behind the start that runs, whatever the schedule's own overlap: who asks for one gets one.
        else await schedule.trigger('BUFFER_ONE');
      });
    if (options.json) return print(JSON.stringify({ change, schedules: names, ...(change === 'pause' ? { ending } : {}), ...(idle.length > 0 && { idle }) })); // prettier-ignore
    const word = { pause: 'paused', resume: 'resumed', trigger: 'triggered' }[change];
    print(names.length === 0 ? 'no schedules were applied' : `${word} ${names.join(', ')}${endingWords(ending)}`);
    for (const one of idle)
      print(
        `${one}: every interval since its \`start\` that is over is done or skipped, so there is nothing to do; earlier ones: \`plumbline backfill\``,
      );
  });
}

/** Those whose start ends at once, without a run. */
async function withoutOpenIntervals(
  connections: Parameters<typeof describeSchedules>[0],
  owner: Parameters<typeof describeSchedules>[1],
  names: readonly string[],
): Promise<string[]> {
  const schedules = await describeSchedules(connections, owner, await databaseClock(connections.database));
  return schedules.filter(({ name, behind }) => behind === 0 && names.includes(name)).map(({ name }) => name);
}

/** `plumbline schedule cancel <name>`: ends the start in progress and its run; the schedule goes on. */
export async function cancelCommand(name: string, options: ScheduleOptions): Promise<void> {
  await withOwner(options, async ({ database, temporal }, owner, key) => {
    const cancelled = await onTemporalSchedule(temporal, owner, name, async (schedule) => {
      // First, so that nobody is alarmed.
      await markChildCancelled(database, key, `schedule ${name}`, userName());
      return endStarts(temporal, await schedule.describe(), 'now');
    });
    if (cancelled === 0)
      throw new TerminalError('SCHEDULE_NOT_RUNNING', `Cancelling the start of schedule ${name} of ${owner.name} (${owner.env}) failed: none is in progress.`, {
        next: 'See `plumbline schedule list`, and `plumbline runs list` for runs that others started.',
      }); // prettier-ignore
    print(options.json ? JSON.stringify({ cancelled: name }) : `cancelling the start of ${name} and its run; the next one comes at its time`); // prettier-ignore
  });
}

/** `plumbline schedule delete <name>`: a start in progress ends behind its run. */
export async function deleteCommand(name: string, options: ScheduleOptions): Promise<void> {
  await withOwner(options, async ({ database, temporal }, owner, key) => {
    if ((await findSchedule(database, key, name)) === undefined)
      throw new TerminalError('SCHEDULE_NOT_FOUND', `Deleting schedule ${name} of ${owner.name} (${owner.env}) failed: it was not applied.`, {
        next: 'See `plumbline schedule list`.',
      }); // prettier-ignore
    const ending = await removeTemporalSchedule(temporal, owner, name);
    await deleteSchedule(database, key, name);
    print(options.json ? JSON.stringify({ deleted: name, ending }) : `deleted ${name}${endingWords(ending)}; the next apply makes it again if plumbline.yaml has it`); // prettier-ignore
  });
}

function endingWords(starts: number): string {
  return starts === 0 ? '' : '; the start in progress ends behind its run';
}

function renderChange({ name, action, differences }: ScheduleChange): string {
  const sign = { create: pc.green('+'), update: pc.yellow('~'), keep: ' ', delete: pc.red('-') }[action];
  return [`${sign} ${name}`, ...differences.map((line) => `    ${line}`)].join('\n');
}

async function withOwner(
  { env }: ScheduleOptions,
  work: (
    connections: RunConnections,
    owner: { readonly env: string; readonly name: string },
    key: { readonly env: string; readonly project: string },
  ) => Promise<void>,
): Promise<void> {
  await withServers(async (connections, settings) => {
    const name = await projectName(settings.root, env);
    await work(connections, { env, name }, { env, project: name });
  });
}

async function withServers(work: (connections: RunConnections, settings: Settings) => Promise<void>): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const database = connectDatabase(settings);
  try {
    await database.query('SELECT 1');
    const temporal = await connectTemporal(settings);
    try {
      await work({ database, temporal }, settings);
    } finally {
      await temporal.close();
    }
  } finally {
    await database.close();
  }
}

function time(iso: string | undefined): string {
  return iso === undefined ? '' : iso.slice(0, 16).replace('T', ' ');
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

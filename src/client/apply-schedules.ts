import type { ScheduleOptions } from '@temporalio/client';
import { DateTime } from 'luxon';
import type { RunTemplate } from '../contracts/intervals.js';
import { instant } from '../model/data-interval.js';
import { intervalAt } from '../model/interval-grid.js';
import type { Project, ScheduleConfig } from '../model/project.js';
import type { Selection } from '../model/selection.js';
import type { OpenDatabase } from '../storage/database.js';
import { deleteSchedule, listSchedules, saveSchedule, type ScheduleRow } from '../storage/schedules.js';
import type { TemporalConnection } from './connect.js';
import { findTemporalSchedule, removeTemporalSchedule } from './find-schedule.js';
import { gridOf, scheduleOptions } from './schedule-options.js';
import { scheduleWords } from './schedule-words.js';

export interface ScheduleChange {
  readonly name: string;
  readonly action: 'create' | 'update' | 'keep' | 'delete';
  /** What differs, e.g. `cron: 5 * * * * → 10 * * * *`. */
  readonly differences: readonly string[];
}

export interface ApplyScope {
  readonly database: OpenDatabase;
  readonly temporal: TemporalConnection;
  readonly project: Project;
  readonly template: Omit<RunTemplate, keyof Selection>;
  readonly appliedBy: string;
  readonly now: Date;
}

/**
 * What it takes to make Temporal's schedules those of the file: those it has no more go, of this project and environment
 * only. A paused schedule stays paused.
 */
export async function planSchedules({ database, temporal, project, template }: ApplyScope): Promise<ScheduleChange[]> {
  const rows = new Map((await listSchedules(database, keyOf(project))).map((row) => [row.name, row]));
  const changes: ScheduleChange[] = [];
  for (const config of project.schedules) {
    const row = rows.get(config.name);
    const isThere = (await findTemporalSchedule(temporal, project, config.name)) !== undefined;
    const differences = row === undefined ? [] : differencesOf(row, config, template.bundle.digest);
    const action = row === undefined || !isThere ? 'create' : differences.length > 0 ? 'update' : 'keep';
    changes.push({ name: config.name, action, differences });
  }
  const wanted = new Set(project.schedules.map(({ name }) => name));
  for (const name of rows.keys()) if (!wanted.has(name)) changes.push({ name, action: 'delete', differences: [] });
  return changes;
}

/**
 * Does what `planSchedules` says; the same again changes nothing. The row in PostgreSQL comes first and goes last: what is
 * interrupted is made good by the next apply. What is kept is written again too, as somebody may have changed it in Temporal.
 */
export async function applySchedules(scope: ApplyScope, changes: readonly ScheduleChange[]): Promise<void> {
  const { database, temporal, project, template, appliedBy, now } = scope;
  const rows = new Map((await listSchedules(database, keyOf(project))).map((row) => [row.name, row]));
  for (const { name, action } of changes) {
    if (action === 'delete') {
      await removeTemporalSchedule(temporal, project, name);
      await deleteSchedule(database, keyOf(project), name);
      continue;
    }
    const config = project.schedules.find((one) => one.name === name)!;
    const since = sinceOf(config, rows.get(name), now);
    const bundle = template.bundle.digest;
    await saveSchedule(database, keyOf(project), {
      name,
      definition: config,
      bundle,
      since,
      applied_by: appliedBy,
      alerts: project.alerts ?? null,
      root: template.root,
    });
    await writeTemporalSchedule(temporal, scheduleOptions(config, template), rows.get(name)?.paused === true);
  }
}

function keyOf({ env, name }: Project): { env: string; project: string } {
  return { env, project: name };
}

/** @param isPaused of one that Temporal has not, or has lost: whether it begins as a paused one */
async function writeTemporalSchedule(
  { client }: TemporalConnection,
  options: ScheduleOptions,
  isPaused: boolean,
): Promise<void> {
  const { ScheduleAlreadyRunning } = await import('@temporalio/client');
  try {
    await client.schedule.create({ ...options, state: { paused: isPaused } });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    const { spec, action, policies } = options;
    await client.schedule
      .getHandle(options.scheduleId)
      .update((before) => ({ ...before, spec, action, ...(policies === undefined ? {} : { policies }) }));
  }
}

/** Where its intervals begin: as the file says, else in the interval in which it was applied first. */
function sinceOf(config: ScheduleConfig, row: ScheduleRow | undefined, now: Date): number {
  if (config.start !== undefined) return DateTime.fromISO(config.start, { zone: config.timezone }).toMillis();
  if (row !== undefined && row.definition.start === undefined) return row.since;
  const grid = gridOf(config);
  return grid === undefined ? now.getTime() : instant(intervalAt(grid, now.getTime()).start);
}

/** The definition comes back from PostgreSQL with its keys in another order, so words are compared. */
function differencesOf({ definition, bundle }: ScheduleRow, config: ScheduleConfig, digest: string): string[] {
  const [before, after] = [scheduleWords(definition), scheduleWords(config)];
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const changed = keys.filter((key) => before[key] !== after[key]);
  const code = bundle === digest ? [] : [`code: ${bundle.slice(0, 12)} → ${digest.slice(0, 12)}`];
  return [...changed.map((key) => `${key}: ${before[key] ?? 'none'} → ${after[key] ?? 'none'}`), ...code];
}

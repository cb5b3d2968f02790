import type { Project, ScheduleConfig } from '../model/project.js';
import { isOpen, planIntervals } from '../model/plan-intervals.js';
import { partOf } from '../model/selection.js';
import { findBundle } from '../storage/bundles.js';
import type { OpenDatabase } from '../storage/database.js';
import { listIntervals } from '../storage/intervals.js';
import { newestRunBy, type NewestRun } from '../storage/runs.js';
import { listSchedules } from '../storage/schedules.js';
import type { TemporalConnection } from './connect.js';
import { findTemporalSchedule } from './find-schedule.js';
import { gridOf } from './schedule-options.js';

export interface ListedSchedule {
  readonly name: string;
  readonly definition: ScheduleConfig;
  /** `gone`: recorded, and Temporal does not have it. */
  readonly state: 'active' | 'paused' | 'gone';
  /** Why it is paused, as whoever paused it says. */
  readonly note?: string;
  /** ISO times. */
  readonly next?: string;
  readonly last?: string;
  /** Starts that were left out: another one ran, or Temporal was away for longer than `catchup`. */
  readonly skipped: number;
  readonly missed: number;
  /** Starts that run or wait now. */
  readonly running: number;
  readonly lastRun?: NewestRun;
  /** Intervals that are over and neither done nor skipped; absent without a grid. Counted up to 10,000. */
  readonly behind?: number;
  /** Intervals that somebody gave up; absent when there are none. */
  readonly skippedIntervals?: number;
  readonly code: { readonly bundle: string; readonly gitCommit?: string; readonly gitDirty?: boolean };
  readonly appliedBy: string;
  readonly appliedAt: string;
}

/** The schedules that were applied, with what Temporal and the runs say of them. */
export async function describeSchedules(
  scope: { readonly database: OpenDatabase; readonly temporal: TemporalConnection },
  { env, name: project }: Pick<Project, 'env' | 'name'>,
  now: Date,
): Promise<ListedSchedule[]> {
  const { database, temporal } = scope;
  const listed: ListedSchedule[] = [];
  for (const row of await listSchedules(database, { env, project })) {
    const found = await findTemporalSchedule(temporal, { env, name: project }, row.name);
    const bundle = await findBundle(database, row.bundle);
    const lastRun = await newestRunBy(database, env, project, `schedule ${row.name}`);
    const last = found?.info.recentActions.at(-1)?.scheduledAt;
    const next = found?.info.nextActionTimes[0];
    const intervals = await countIntervals(database, { env, project }, row, now);
    listed.push({
      name: row.name,
      definition: row.definition,
      state: found === undefined ? 'gone' : found.state.paused ? 'paused' : 'active',
      ...(found?.state.note === undefined || found.state.note === '' ? {} : { note: found.state.note }),
      ...(next === undefined || found?.state.paused === true ? {} : { next: next.toISOString() }),
      ...(last === undefined ? {} : { last: last.toISOString() }),
      skipped: found?.info.numActionsSkippedOverlap ?? 0,
      missed: found?.info.numActionsMissedCatchupWindow ?? 0,
      running: found?.info.runningActions.length ?? 0,
      ...(lastRun === undefined ? {} : { lastRun }),
      ...intervals,
      code: {
        bundle: row.bundle,
        ...(bundle?.git_commit == null ? {} : { gitCommit: bundle.git_commit }),
        ...(bundle?.git_dirty == null ? {} : { gitDirty: bundle.git_dirty }),
      },
      appliedBy: row.applied_by,
      appliedAt: row.applied_at,
    });
  }
  return listed;
}

async function countIntervals(
  database: OpenDatabase,
  key: { readonly env: string; readonly project: string },
  { definition, since }: { readonly definition: ScheduleConfig; readonly since: number },
  now: Date,
): Promise<Pick<ListedSchedule, 'behind' | 'skippedIntervals'>> {
  const grid = gridOf(definition);
  if (grid === undefined) return {};
  const part = partOf(definition);
  const range = { from: since, until: now.getTime() };
  let [behind, skippedIntervals] = [0, 0];
  for (const planned of planIntervals(grid, range, await listIntervals(database, { ...key, part }, range))) {
    if (planned.state === 'skipped') skippedIntervals++;
    if (isOpen(planned) && ++behind === 10_000) break;
  }
  return { behind, ...(skippedIntervals === 0 ? {} : { skippedIntervals }) };
}

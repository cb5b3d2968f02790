import { Cron } from 'croner';
import { DateTime } from 'luxon';
import type { Queryable } from '../model/database.js';
import { instant } from '../model/data-interval.js';
import { lastCompleteInterval } from '../model/interval-grid.js';
import { isOpen, planIntervals } from '../model/plan-intervals.js';
import type { ScheduleConfig } from '../model/project.js';
import { partOf } from '../model/selection.js';
import { recordAlert } from '../storage/alerts.js';
import { listIntervals } from '../storage/intervals.js';
import { newestRunBy, wasNeeded } from '../storage/runs.js';
import { allSchedules, type ScheduleRow } from '../storage/schedules.js';

/** A start that is this late, or later, without a sign of life is missed. */
const GRACE_MS = 10 * 60_000;
/** Temporal starts a run by its own clock, PostgreSQL notes when. */
const CLOCKS_DIFFER_MS = 5_000;

/**
 * Records an alert for each schedule whose newest time has passed without a run: no worker lives, or Temporal is away, or
 * another run has been in the way for long. By PostgreSQL alone, so that it is noticed by whatever process still runs.
 */
export async function findMissed(database: Queryable, now: Date): Promise<void> {
  for (const schedule of await allSchedules(database)) {
    // What is not swept tonight is swept tomorrow.
    if (schedule.definition.retention !== undefined) continue;
    if (schedule.alerts === null || schedule.paused) continue;
    const at = dueBefore(schedule.definition, new Date(now.getTime() - GRACE_MS - schedule.definition.jitterMs));
    // While it was paused, nothing was to start.
    const from = Math.max(schedule.appliedMs, schedule.resumedMs ?? 0);
    if (at === undefined || at.getTime() < from || isAtChange(schedule.definition, at)) continue;
    if (!(await isMissed(database, schedule, at))) continue;
    const { env, project, name } = schedule;
    await recordAlert(database, {
      env,
      project,
      kind: 'missed',
      subject: `${name} ${at.toISOString()}`,
      payload: { schedule: name, due: at.toISOString(), next: nextOf(env) },
      config: schedule.alerts,
      root: schedule.root ?? '/',
    });
  }
}

function nextOf(env: string): string {
  return `See \`plumbline schedule list${env === 'dev' ? '' : ` --env ${env}`}\` and \`plumbline status\`.`;
}

/** The schedule's newest time that is not after `at`. */
export function dueBefore({ cron, everyMs, timezone }: ScheduleConfig, at: Date): Date | undefined {
  // Temporal counts from 1970.
  if (cron === undefined) return new Date(Math.floor(at.getTime() / everyMs!) * everyMs!);
  return clockOf(cron, timezone).previousRuns(1, new Date(at.getTime() + 1_000))[0];
}

function clockOf(cron: string, timezone: string): Cron {
  return new Cron(cron, { timezone, paused: true, domAndDow: true });
}

/** Whether a cron line means a time that a change of the zone's clocks leaves out, as Temporal does, or one that comes twice, of which Temporal takes either. */
function isAtChange({ cron, timezone }: ScheduleConfig, at: Date): boolean {
  if (cron === undefined) return false;
  const isTwice = DateTime.fromJSDate(at, { zone: timezone }).getPossibleOffsets().length > 1;
  return isTwice || !clockOf(cron, timezone).match(at);
}

async function isMissed(database: Queryable, schedule: AllRow, at: Date): Promise<boolean> {
  const { env, project, name, definition, since, resumedMs } = schedule;
  const run = await newestRunBy(database, env, project, `schedule ${name}`);
  if (run !== undefined) {
    // One that still runs is why this start was left out; one that failed has paused its schedule until somebody resumes it.
    if (run.status === 'running') return false;
    const isPausing = run.status === 'failed' && definition.pauseOnFailure;
    if (isPausing && (resumedMs === null || run.ended_ms! > resumedMs) && (await wasNeeded(database, run.run_id)))
      return false;
    if (run.started_ms >= at.getTime() - CLOCKS_DIFFER_MS) return false;
  }
  if (definition.interval === undefined) return true;
  // With nothing to do a start makes no run.
  const grid = { length: definition.interval, timezone: definition.timezone };
  const last = lastCompleteInterval(grid, at.getTime());
  const range = { from: instant(last.start), until: instant(last.end) };
  if (range.from < since) return false;
  const part = partOf(definition);
  const [planned] = planIntervals(grid, range, await listIntervals(database, { env, project, part }, range));
  return planned === undefined || isOpen(planned);
}

type AllRow = ScheduleRow & { readonly env: string; readonly project: string };

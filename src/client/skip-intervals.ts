import { DateTime } from 'luxon';
import { TerminalError } from '../errors.js';
import { instant, isoTime, shownInterval, type DataInterval } from '../model/data-interval.js';
import type { Session } from '../model/database.js';
import type { IntervalGrid } from '../model/interval-grid.js';
import { isOpen, planIntervals, type PlannedInterval, type Skip } from '../model/plan-intervals.js';
import type { OpenDatabase } from '../storage/database.js';
import { deleteSkips, listIntervals, lockIntervals, saveSkips } from '../storage/intervals.js';

interface Owner {
  readonly env: string;
  readonly project: string;
}

/**
 * Records that every interval of the grid inside `range` is given up, and gives them; those that were before keep who
 * skipped them and why. Throws `INTERVAL_NOT_OPEN` (terminal) when one is done or a run is at it; then nothing changes.
 */
export async function skipIntervals(
  database: OpenDatabase,
  owner: Owner,
  { grid, range, skip }: { readonly grid: IntervalGrid; readonly range: DataInterval; readonly skip: Skip },
): Promise<DataInterval[]> {
  const span = spanOf(range);
  return locked(database, async (session) => {
    const planned = [...planIntervals(grid, span, await listIntervals(session, { ...owner, part: '' }, span))];
    const taken = planned.find(({ state }) => state === 'done' || state === 'running');
    if (taken !== undefined) throw notOpen(taken);
    const open = planned.filter(isOpen).map(({ interval }) => interval);
    await saveSkips(session, owner, open, skip);
    return open;
  });
}

/** Takes skips back. Throws `INTERVAL_NOT_SKIPPED` (terminal): there is none, or one reaches beyond the range. Gives how many there were. */
export async function unskipIntervals(database: OpenDatabase, owner: Owner, range: DataInterval): Promise<number> {
  const span = spanOf(range);
  return locked(database, async (session) => {
    const skipped = (await listIntervals(session, { ...owner, part: '' }, span)).filter(
      ({ state }) => state === 'skipped',
    );
    const beyond = skipped.find(({ start, end }) => start < span.from || end > span.until);
    if (skipped.length === 0 || beyond !== undefined) throw notSkipped(range, beyond);
    return deleteSkips(session, owner, span);
  });
}

async function locked<T>(database: OpenDatabase, work: (session: Session) => Promise<T>): Promise<T> {
  return database.session((session) =>
    session.transaction(async () => {
      await lockIntervals(session);
      return work(session);
    }),
  );
}

function spanOf({ start, end }: DataInterval): { readonly from: number; readonly until: number } {
  return { from: instant(start), until: instant(end) };
}

function notOpen({ interval, state, runId }: PlannedInterval): TerminalError {
  const run = runId === undefined ? '' : ` (run ${runId})`;
  const what = `Skipping ${shownInterval(interval)} failed: it is ${state}${run}, expected one that is missing or failed. Nothing was skipped.`;
  const next =
    state === 'done'
      ? 'Skip only what is before it and what is behind it.'
      : `Wait for the run, or end it with \`plumbline runs cancel ${runId ?? '<run>'}\`, then skip it.`;
  return new TerminalError('INTERVAL_NOT_OPEN', what, { next });
}

function notSkipped(
  { start, end, timezone }: DataInterval,
  beyond: { readonly start: number; readonly end: number } | undefined,
): TerminalError {
  const message = `Taking back the skip of ${shownInterval({ start, end })} failed`;
  if (beyond === undefined)
    return new TerminalError('INTERVAL_NOT_SKIPPED', `${message}: nothing in it is skipped.`, {
      next: 'See `plumbline backfill --from … --to … --dry-run`.',
    });
  const [from, until] = [beyond.start, beyond.end].map((ms) => isoTime(DateTime.fromMillis(ms, { zone: timezone })));
  const whole = shownInterval({ start: from!, end: until! });
  return new TerminalError('INTERVAL_NOT_SKIPPED', `${message}: what is skipped is ${whole} as a whole.`, {
    next: `Take that back with \`plumbline backfill --unskip ${whole}\`, or run a part of it with \`plumbline run --interval\`.`,
  });
}

import { TerminalError } from '../errors.js';
import { instant, shownInterval } from '../model/data-interval.js';
import { intervalAt, type IntervalGrid } from '../model/interval-grid.js';

/**
 * Whole intervals only: half a day that is done, or skipped, would hide the other half. Throws `INTERVAL_INVALID` for a time inside of one.
 *
 * @param option whose value it is, for the message
 */
export function requireBoundary(option: string, time: string, grid: IntervalGrid): void {
  const at = intervalAt(grid, instant(time));
  if (instant(at.start) === instant(time)) return;
  throw new TerminalError(
    'INTERVAL_INVALID',
    `Reading --${option} failed: ${time} is inside the ${grid.length} interval ${shownInterval(at)}.`,
    { next: `Use ${boundary(at.start, grid)} or ${boundary(at.end, grid)}.` },
  );
}

/** As the options take it: an hour may come twice a day, so it needs its offset. */
export function boundary(time: string, { length }: IntervalGrid): string {
  return length === 'hourly' ? time : time.slice(0, 10);
}

import { skipIntervals, unskipIntervals } from '../client/skip-intervals.js';
import { userName } from '../client/start-run.js';
import { shownInterval, type DataInterval } from '../model/data-interval.js';
import type { IntervalGrid, IntervalLength } from '../model/interval-grid.js';
import { parseInterval } from '../model/parse-interval.js';
import { plural } from '../model/plural.js';
import { loadProject } from '../project/load-project.js';
import { chooseGrid } from './choose-grid.js';
import { count } from './format.js';
import { requireBoundary } from './require-boundary.js';
import { withProjectDatabase } from './with-database.js';

interface SkipOptions {
  readonly env: string;
  readonly json: boolean;
}

/** `plumbline backfill --skip`: nothing tries the intervals of the range again. Needs PostgreSQL only. */
export async function skipCommand(
  options: SkipOptions & { readonly skip: string; readonly reason: string; readonly interval?: IntervalLength },
): Promise<void> {
  await withProjectDatabase(options.env, async ({ settings, database, env, project: name }) => {
    const project = await loadProject({ root: settings.root, env });
    const grid = chooseGrid(project, options.interval);
    const range = wholeIntervals(options.skip, grid);
    const skip = { by: userName(), reason: options.reason };
    const skipped = await skipIntervals(database, { env, project: name }, { grid, range, skip });
    if (options.json) return print(JSON.stringify({ skipped: skipped.map(shownInterval) }, null, 2));
    print(
      skipped.length === 0
        ? 'they were skipped before; nothing was changed'
        : `skipped ${intervals(skipped.length)}; take it back with \`plumbline backfill --unskip ${shownInterval(range)}\``,
    );
  });
}

/** `plumbline backfill --unskip` */
export async function unskipCommand(options: SkipOptions & { readonly unskip: string }): Promise<void> {
  await withProjectDatabase(options.env, async ({ settings, database, env, project: name }) => {
    const { timezone } = await loadProject({ root: settings.root, env });
    const taken = await unskipIntervals(database, { env, project: name }, parseInterval(options.unskip, timezone));
    if (options.json) return print(JSON.stringify({ unskipped: taken }));
    print(`${intervals(taken)} open again; a schedule's next start or \`plumbline backfill\` runs what is over`);
  });
}

function wholeIntervals(text: string, grid: IntervalGrid): DataInterval {
  const range = parseInterval(text, grid.timezone);
  for (const time of [range.start, range.end]) requireBoundary('skip', time, grid);
  return range;
}

function intervals(many: number): string {
  return `${count(many)} ${plural(many, 'interval')}`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

import { TerminalError } from '../../errors.js';
import { instant } from '../../model/data-interval.js';
import type { Session } from '../../model/database.js';
import { intervalOfPath } from '../../model/interval-of-load.js';
import { qualified } from '../../model/sql-identifier.js';
import type { LedgerLine } from './ledger.js';
import type { PublishOptions } from './publish-resource.js';
import type { StageName } from './stage-table.js';

/** In milliseconds. */
interface Interval {
  readonly start: number;
  readonly end: number;
}

type LoadOfInterval = Pick<LedgerLine, 'loadId' | 'path' | 'intervalStart' | 'intervalEnd'>;

/**
 * Published loads of the intervals that `lines` are about, which those take the place of; none where rows are merged. Throws
 * `ELT_INTERVAL_OVERLAP` (terminal) when one of them also holds rows of another time, which would be gone.
 *
 * @param isNew the table is made by this publication: nothing that was published before is in it
 */
export async function formerIntervals(
  session: Session,
  { env, project, resource, schemas }: PublishOptions,
  lines: readonly LedgerLine[],
  isNew = false,
): Promise<string[]> {
  if (resource.write !== 'append') return [];
  const published = await session.query<LoadOfInterval>(
    `SELECT load_id AS "loadId", path, extract(epoch FROM interval_start)::float8 * 1000 AS "intervalStart",
       extract(epoch FROM interval_end)::float8 * 1000 AS "intervalEnd" FROM plumbline.loads
     WHERE env = $1 AND project = $2 AND resource = $3 AND status = 'published' AND load_id <> ALL($4::bigint[])`,
    [env, project, resource.id, lines.map(({ loadId }) => loadId)],
  );
  if (isNew) return published.map(({ loadId }) => loadId);
  const loaded = lines.map((line) => intervalOf(line)!);
  const met = published.filter((line) => {
    const former = intervalOf(line);
    // A load of all times, from before the resource was loaded by interval.
    if (former === undefined) return true;
    return loaded.some(({ start, end }) => former.start < end && start < former.end);
  });
  for (const line of met) {
    const former = intervalOf(line);
    if (former === undefined && !(await hasRows(session, { schema: schemas.raw, name: resource.table }, line.loadId)))
      continue;
    if (former === undefined)
      throw new TerminalError(
        'ELT_INTERVAL_OVERLAP',
        `Publishing ${resource.id} failed: ${line.path} was loaded before without an interval, and its rows may be of this one.`,
        {
          at: resource.at,
          next: `Drop the table ${schemas.raw}.${resource.table} and load its intervals anew: \`plumbline backfill --from … --to … --force\`. The table is untouched.`,
        },
      );
    if (loaded.some(({ start, end }) => start <= former.start && former.end <= end)) continue;
    throw new TerminalError(
      'ELT_INTERVAL_OVERLAP',
      `Publishing ${resource.id} failed: ${line.path} was loaded before and reaches beyond the interval of this load.`,
      {
        at: resource.at,
        next: 'Load an interval that holds it as a whole: `plumbline run load --interval A/B`. The table is untouched.',
      },
    );
  }
  return met.map(({ loadId }) => loadId);
}

/** An earlier version took a load of an API for published when its table had been dropped and made anew by interval. */
async function hasRows(session: Session, { schema, name }: StageName, loadId: string): Promise<boolean> {
  const rows = await session.query(`SELECT FROM ${qualified(schema, name)} WHERE _load_id = $1 LIMIT 1`, [loadId]);
  return rows.length > 0;
}

function intervalOf({ path, intervalStart, intervalEnd }: LoadOfInterval): Interval | undefined {
  if (intervalStart !== null && intervalEnd !== null) return { start: intervalStart, end: intervalEnd };
  const asked = intervalOfPath(path);
  return asked && { start: instant(asked.start), end: instant(asked.end) };
}

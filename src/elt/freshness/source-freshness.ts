import { TerminalError } from '../../errors.js';
import type { DataInterval } from '../../model/data-interval.js';
import type { Queryable } from '../../model/database.js';
import type { FreshnessConfig, Project } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';

export interface SourceFreshness {
  readonly resource: string;
  readonly status: 'pass' | 'warn' | 'error';
  /** The newest row's time, as PostgreSQL writes it; absent when there is no row or no table. */
  readonly newest?: string;
  /** By PostgreSQL's clock; 0 for a time that lies behind the moment it is measured at. */
  readonly ageMs?: number;
  /** `rides: its newest row is 3 d 2 h old, error after 2 d`. */
  readonly message: string;
  readonly at: FreshnessConfig['at'];
}

/**
 * How old the newest row of a resource is: now, or at the end of `interval` where that is over, as a run about last month is not late.
 * No row and no table are as old as can be. Throws `ELT_FRESHNESS_COLUMN` when the column is not there or is no date or
 * timestamp; a retry gives the same.
 */
export async function sourceFreshness(
  database: Queryable,
  { schemas }: Pick<Project, 'schemas'>,
  config: FreshnessConfig,
  interval?: DataInterval,
): Promise<SourceFreshness> {
  const { resource, table, loadedAt, at } = config;
  const name = qualified(schemas.raw, table);
  const columns = await database.query<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
     WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`,
    [name],
  );
  if (columns.length === 0) return judge(config, undefined, `${resource} is not loaded yet`);
  const column = columns.find((one) => one.name === loadedAt);
  if (column === undefined || !/^(date|timestamp)/.test(column.type)) {
    const found = column === undefined ? 'is not there' : `is ${column.type}`;
    throw new TerminalError(
      'ELT_FRESHNESS_COLUMN',
      `Looking how fresh ${resource} is failed: its column ${loadedAt} ${found}, expected a date or timestamp.`,
      { at, next: `Correct \`loaded_at\`; the table has ${columns.map((one) => one.name).join(', ')}.` },
    );
  }
  const newest = `max(${identifier(loadedAt)})::timestamptz`;
  const [row] = await database.query<{ newest: string | null; age: number | null; isPast: boolean | null }>(
    `SELECT date_trunc('second', ${newest})::text AS newest, extract(epoch FROM least(now(), $1::timestamptz) - ${newest})::float8 AS age,
       $1::timestamptz < now() AS "isPast" FROM ${name}`,
    [interval?.end ?? null],
  );
  if (row?.newest == null || row.age === null) return judge(config, undefined, `${resource} has no row`);
  const ageMs = Math.max(0, row.age * 1000);
  const isPast = row.isPast === true;
  const old = `${isPast ? 'was' : 'is'} ${shownAge(ageMs)} old${isPast ? ` at the interval's end (${interval!.end})` : ''}`;
  return {
    ...judge(config, ageMs, `${resource}: its newest row ${old}`),
    newest: row.newest,
    ageMs,
  };
}

/**
 * Asks for those of `resources` that say how fresh they have to be. Throws `ELT_SOURCE_STALE` for one that is too old: what
 * reads it is not built; a later load helps.
 *
 * @returns what is older than it should be, in words
 */
export async function assertFresh(
  database: Queryable,
  project: Pick<Project, 'schemas' | 'freshness'>,
  resources: readonly string[],
  interval?: DataInterval,
): Promise<string[]> {
  const warnings: string[] = [];
  for (const config of project.freshness.filter(({ resource }) => resources.includes(resource))) {
    const { status, message, at } = await sourceFreshness(database, project, config, interval);
    if (status === 'error') {
      throw new TerminalError('ELT_SOURCE_STALE', `A source is too old to build from it: ${message}.`, {
        at,
        next: 'Load newer rows, or raise `error_after`; the published tables are untouched.',
      });
    }
    if (status === 'warn') warnings.push(message);
  }
  return warnings;
}

function judge(
  { resource, warnAfterMs, errorAfterMs, at }: FreshnessConfig,
  ageMs: number | undefined,
  found: string,
): SourceFreshness {
  const exceeds = (limitMs: number | undefined): limitMs is number =>
    limitMs !== undefined && (ageMs === undefined || ageMs > limitMs);
  if (exceeds(errorAfterMs))
    return { resource, status: 'error', message: `${found}, error after ${shownAge(errorAfterMs)}`, at };
  if (exceeds(warnAfterMs))
    return { resource, status: 'warn', message: `${found}, warn after ${shownAge(warnAfterMs)}`, at };
  return { resource, status: 'pass', message: found, at };
}

/** The two leading units: `3 d 2 h`, `5 min 0 s`. */
export function shownAge(ms: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
    ['s', 1],
  ] as const;
  const seconds = Math.floor(ms / 1000);
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return '0 s';
  let rest = seconds;
  const parts = units.slice(first, first + 2).map(([unit, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count === 0 ? '' : `${count} ${unit}`;
  });
  return parts.filter((part) => part !== '').join(' ');
}

import { TerminalError } from '../../errors.js';
import type { ResourceConfig } from '../../model/project.js';
import { literal } from '../../model/sql-identifier.js';
import type { LoadColumn } from '../schema/column.js';
import { inRange, type CursorRange } from './cursor-range.js';
import type { SourceDescription } from './describe-source.js';

/** The column that says to which interval a row belongs. */
export interface SourceInterval {
  /** As SQL over q. */
  readonly column: string;
  /** What a bound is cast to. */
  readonly type: 'date' | 'timestamp' | 'timestamptz';
}

const TYPES: readonly string[] = ['date', 'timestamp', 'timestamptz'];

/**
 * Undefined where a resource is not read by interval; that the column is there has been checked. Throws `ELT_INTERVAL_COLUMN` (terminal)
 * for one that holds no time.
 */
export function sourceInterval(
  { id, path, interval, at }: ResourceConfig,
  columns: readonly LoadColumn[],
  natural: readonly string[],
  values: readonly string[],
): SourceInterval | undefined {
  if (interval?.column === undefined) return undefined;
  const index = columns.findIndex(({ name }) => name === interval.column);
  const type = natural[index]!;
  if (TYPES.includes(type)) return { column: values[index]!, type: type as SourceInterval['type'] };
  throw new TerminalError(
    'ELT_INTERVAL_COLUMN',
    `Reading ${id} failed: \`interval_column\` names column ${JSON.stringify(interval.column)} of ${path}, which is ${type}; expected date, timestamp or timestamptz.`,
    { at, details: { column: interval.column }, next: 'Name another column, or cast it in a `query`.' },
  );
}

/** The rows that are to be read, as SQL over q. */
export function askedRows(
  { cursor, interval }: Pick<SourceDescription, 'cursor' | 'interval'>,
  asked: CursorRange & { readonly interval?: { readonly start: string; readonly end: string } },
): string {
  if (cursor !== undefined) return inRange(cursor, asked);
  if (interval === undefined || asked.interval === undefined) return 'true';
  const { column, type } = interval;
  const { start, end } = asked.interval;
  // A time with an offset is, as a date or a time without one, what the clock shows where the interval's days are.
  return `${column} >= ${literal(start)}::${type} AND ${column} < ${literal(end)}::${type}`;
}

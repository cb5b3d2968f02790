import type { Queryable, Session } from '../../model/database.js';
import { TerminalError } from '../../errors.js';
import { didYouMean } from '../../model/nearest.js';
import type { CursorConfig, ResourceConfig } from '../../model/project.js';
import { literal } from '../../model/sql-identifier.js';
import type { LoadColumn } from '../schema/column.js';

/** What a cursor follows in the source. */
export interface SourceCursor {
  /** As SQL over q; of transactions the system column. */
  readonly column: string;
  /** What a bound is cast to; `xid` for the transactions that wrote the rows. */
  readonly type: 'timestamptz' | 'timestamp' | 'date' | 'bigint' | 'xid';
}

/** Both ends included; without one there is none. */
export interface CursorRange {
  readonly from?: string;
  readonly to?: string;
}

const TYPES: Readonly<Record<CursorConfig['type'], readonly string[]>> = {
  timestamp: ['timestamptz', 'timestamp', 'date'],
  integer: ['bigint'],
};

/** Throws `ELT_PG_CURSOR` (terminal) when there is no such column, or one whose values are no cursor. */
export function sourceCursor(
  { id, path, cursor, at }: ResourceConfig,
  columns: readonly LoadColumn[],
  natural: readonly string[],
  values: readonly string[],
): SourceCursor | undefined {
  if (cursor === undefined) return undefined;
  if (cursor.byTransaction === true) return { column: 'q.xmin', type: 'xid' };
  const index = columns.findIndex(({ name }) => name === cursor.field);
  const type = natural[index];
  if (type !== undefined && TYPES[cursor.type].includes(type))
    return { column: values[index]!, type: type as SourceCursor['type'] };
  const names = columns.map(({ name }) => name);
  const found =
    type === undefined
      ? `${path} has no column ${JSON.stringify(cursor.field)}${didYouMean(cursor.field, names) || '.'}`
      : `column ${JSON.stringify(cursor.field)} of ${path} is ${type}, expected ${TYPES[cursor.type].join(', ')}.`;
  throw new TerminalError('ELT_PG_CURSOR', `Reading ${id} failed: its cursor cannot be followed: ${found}`, {
    at,
    next:
      type === 'bigint' ? 'Set `cursor.type: integer`.' : 'Correct `cursor.field` to a time or a whole number that grows.',
  }); // prettier-ignore
}

// Later than any clock: `infinity`, and years that no cursor's text can say. Such rows are read each time, as those without one.
const NO_TIME = '10000-01-01';

/**
 * How far a range from `from` on goes: to the greatest value that is one, or to the oldest transaction that has not
 * ended, behind which nothing can appear any more. Undefined when there is no value.
 */
export async function rangeEnd(
  session: Session,
  { from: relation, cursor }: { readonly from: string; readonly cursor?: SourceCursor },
  from: string | undefined,
): Promise<string | undefined> {
  if (cursor === undefined) return undefined;
  const { column, type } = cursor;
  const conditions = [
    ...(from === undefined ? [] : [`${column} >= ${literal(from)}::${type}`]),
    ...(type === 'bigint' ? [] : [`${column} < ${literal(NO_TIME)}::${type}`, `${column} > '-infinity'::${type}`]),
  ];
  const [end] = await session.query<{ value: string | null }>(
    type === 'xid'
      ? 'SELECT txid_snapshot_xmin(txid_current_snapshot())::text AS value'
      : `SELECT max(${column})::text AS value FROM ${relation}${conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`}`,
  );
  return end?.value ?? undefined;
}

/** The rows of a range, and those that lie in none. */
export function inRange({ column, type }: SourceCursor, { from, to }: CursorRange): string {
  if (type === 'xid') return from === undefined ? 'true' : writtenSince(column, from);
  const low = from === undefined ? [] : [`${column} >= ${literal(from)}::${type}`];
  const high = to === undefined ? [] : [`${column} <= ${literal(to)}::${type}`];
  if (low.length + high.length === 0) return 'true';
  return `((${[...low, ...high].join(' AND ')}) OR ${withoutCursor(column, type)})`;
}

/**
 * Rows of transactions from a 64-bit id on. A row keeps the lower 32 bits only, also when it is frozen: a row from
 * some 4 billion transactions earlier may be taken for a new one, and is read again; none is left out. From further
 * back than that, every row is in the range.
 */
function writtenSince(column: string, from: string): string {
  const low = BigInt(from) % XIDS;
  const span = `(txid_snapshot_xmax(txid_current_snapshot()) - ${BigInt(from)})`;
  return `(${column}::text::bigint - ${low} + ${XIDS}) % ${XIDS} < ${span}`;
}

const XIDS = 4_294_967_296n;

function withoutCursor(column: string, type: string): string {
  return `${column} IS NULL${type === 'bigint' ? '' : ` OR ${column} >= ${literal(NO_TIME)}::${type}`}`;
}

/** Rows of a stage that have no cursor, or one that no clock shows. */
export async function countWithoutCursor(
  database: Queryable,
  table: string,
  column: string,
  { type }: SourceCursor,
): Promise<number> {
  if (type === 'xid') return 0;
  const [counted] = await database.query<{ rows: number }>(
    // The stage may have it as another type.
    `SELECT count(*)::float8 AS rows FROM ${table} WHERE ${withoutCursor(`${column}::${type}`, type)}`,
  );
  return counted?.rows ?? 0;
}

import { TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import { intervalOfLoad } from '../../model/interval-of-load.js';
import type { ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import type { LoadColumn } from '../schema/column.js';
import type { ClaimOptions } from './claim-load.js';
import type { StillWrong } from './corrected-rows.js';
import type { LedgerLine } from './ledger.js';
import type { StageName } from './stage-table.js';

/**
 * Takes the staged rows whose `interval_column` is not in the load's interval, or is NULL, out of the stage, and gives how many they were.
 * Throws `ELT_INTERVAL_ROWS` (terminal) when there are some and `outside_interval` is fail, `ELT_COLUMN_UNKNOWN` and
 * `ELT_INTERVAL_COLUMN` for a column that is not there or holds no time.
 */
export async function leaveOutOutside(
  session: Session,
  { resource, object }: Pick<ClaimOptions, 'resource' | 'object'>,
  stage: StageName,
  columns: readonly LoadColumn[],
): Promise<number> {
  const { interval, at } = resource;
  if (interval?.column === undefined || object.interval === undefined || columns.length === 0) return 0;
  const { start, end } = object.interval;
  const type = typeOf(interval.column, columns, { resource, object });
  const column = identifier(interval.column);
  const table = qualified(stage.schema, stage.name);
  const outside = outsideSql(column, type);
  if (interval.outside === 'ignore') return session.execute(`DELETE FROM ${table} WHERE ${outside}`, [start, end]);
  const [found] = await session.query<{ rows: number; first: string | null; row: number | null }>(
    `SELECT count(*)::float8 AS rows, (array_agg(${column}::text ORDER BY _row_number))[1] AS first, min(_row_number)::float8 AS row
     FROM ${table} WHERE ${outside}`,
    [start, end],
  );
  if (found === undefined || found.rows === 0) return 0;
  throw new TerminalError(
    'ELT_INTERVAL_ROWS',
    `Loading ${object.path} of ${resource.id} failed: ${found.rows} of its rows are outside the interval ${start}/${end}; the first is row ${found.row}, whose ${interval.column} is ${found.first ?? 'NULL'}.`,
    {
      at,
      details: { rows: found.rows, interval: `${start}/${end}` },
      next: 'Load the interval that the rows are of, or set `outside_interval: ignore` to leave them out. The table is untouched.',
    },
  );
}

/**
 * Takes quarantined rows that are tried again out of their stage when they are not in their load's interval, with their reasons: what the load
 * had left out, had they been right, belongs to another one. Throws `ELT_INTERVAL_COLUMN` as the load would.
 */
export async function takeOutRetriedOutside(
  session: Session,
  { resource, line }: { readonly resource: ResourceConfig; readonly line: Pick<LedgerLine, 'unit' | 'path'> },
  stage: StageName,
  columns: readonly LoadColumn[],
): Promise<readonly StillWrong[]> {
  const interval = intervalOfLoad(line);
  const name = resource.interval?.column;
  if (name === undefined || interval === undefined) return [];
  const { start, end } = interval;
  const type = typeOf(name, columns, { resource, object: line });
  const column = identifier(name);
  const gone = await session.query<{ row: number; value: string | null }>(
    `DELETE FROM ${qualified(stage.schema, stage.name)} WHERE ${outsideSql(column, type)}
     RETURNING _row_number::float8 AS row, ${column}::text AS value`,
    [start, end],
  );
  const reason = `it is outside the interval ${start}/${end} of its load`;
  return gone.map(({ row, value }) => ({ row, column: name, value, reason }));
}

/** A time with an offset is, as a date or a time without one, what the clock shows where the interval's days are. $1 and $2 are the interval. */
function outsideSql(column: string, type: string): string {
  return `${column} IS NULL OR ${column} < $1::text::${type} OR ${column} >= $2::text::${type}`;
}

function typeOf(
  name: string,
  columns: readonly LoadColumn[],
  { resource, object }: { readonly resource: ResourceConfig; readonly object: { readonly path: string } },
): string {
  const column = columns.find((one) => one.name === name);
  const { at } = resource;
  const details = { column: name };
  if (column === undefined)
    throw new TerminalError(
      'ELT_COLUMN_UNKNOWN',
      `Loading ${object.path} failed: \`interval_column\` names column ${JSON.stringify(name)}, but it has no such column; it has ${columns.map((one) => JSON.stringify(one.name)).join(', ')}.`,
      { at, details, next: 'Correct `interval_column`.' },
    );
  if (['date', 'timestamp', 'timestamptz'].includes(column.type)) return column.type;
  throw new TerminalError(
    'ELT_INTERVAL_COLUMN',
    `Loading ${object.path} failed: \`interval_column\` names column ${JSON.stringify(name)}, which is ${column.type}; expected date, timestamp or timestamptz.`,
    { at, details, next: `Name another column, or say its type: \`columns: { ${name}: timestamptz }\`.` },
  );
}

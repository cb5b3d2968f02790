import { TerminalError } from '../../errors.js';
import { shownInterval, type DataInterval } from '../../model/data-interval.js';
import type { Queryable } from '../../model/database.js';
import type { IncrementalConfig } from '../../model/project.js';
import { identifier, literal } from '../../model/sql-identifier.js';
import { describeRelation } from '../publish/describe-relation.js';
import { sqlName, type TableName } from '../publish/table-name.js';
import { isSqlAtFault } from './sql-error.js';
import { plural } from '../../model/plural.js';

interface Increment {
  readonly name: string;
  readonly file: string;
  readonly config: IncrementalConfig;
}

/**
 * Every row has its key or its place in the interval, and `merge` finds each key once: else two runs in another order
 * would give another table. Throws `ELT_INCREMENT_KEY` with an example; a retry gives the same.
 */
export async function assertIncrementKey(
  session: Queryable,
  { name, file, config }: Increment,
  rows: TableName,
): Promise<void> {
  const keys = (config.intervalColumn === undefined ? config.uniqueKey : [config.intervalColumn]).map(identifier);
  const list = keys.join(', ');
  const isNull = keys.map((key) => `${key} IS NULL`).join(' OR ');
  const repeated = config.strategy === 'merge' ? ' OR count(*) > 1' : '';
  const found = await session.query<{ rows: string; key: unknown }>(
    `SELECT count(*) AS rows, to_jsonb(k) AS key FROM (SELECT ${list} FROM ${sqlName(rows)}) k
     GROUP BY ${list}, k HAVING ${isNull}${repeated} LIMIT 1`,
  );
  const [first] = found;
  if (first === undefined) return;
  const what = Number(first.rows) > 1 && config.strategy === 'merge' ? `occurs in ${first.rows} rows` : 'has a NULL';
  throw new TerminalError(
    'ELT_INCREMENT_KEY',
    `Building ${name} failed: the key ${JSON.stringify(first.key)} ${what}.`,
    {
      at: { file },
      details: { keys: config.uniqueKey, example: first.key },
      next: 'Let the SELECT give each key once and no NULL in it; the published table is untouched.',
    },
  );
}

/**
 * Rows outside the interval would be added again whenever their own interval is built. Throws `ELT_INCREMENT_INTERVAL`; a
 * retry gives the same. The literals are read as those of the SELECT are: as the column's type.
 */
export async function assertInside(
  session: Queryable,
  { name, file, config }: Increment,
  interval: DataInterval,
  rows: TableName,
): Promise<void> {
  if (config.intervalColumn === undefined) return;
  const column = identifier(config.intervalColumn);
  const outside = await rowsOutside(session, column, interval, rows).catch((cause: unknown) => {
    if (!isSqlAtFault(cause)) throw cause;
    throw new TerminalError(
      'ELT_INCREMENT_INTERVAL',
      `Building ${name} failed: ${config.intervalColumn} cannot be compared with the interval: ${cause.message}.`,
      { at: { file }, next: 'Name a column of type timestamptz, timestamp or date as interval_column.', cause },
    );
  });
  if (outside === undefined) return;
  throw new TerminalError(
    'ELT_INCREMENT_INTERVAL',
    `Building ${name} failed: ${outside.rows} ${plural(Number(outside.rows), 'row is', 'rows are')} outside the interval ${shownInterval(interval)}, such as ${config.intervalColumn} = ${outside.example}.`,
    {
      at: { file },
      details: { rows: Number(outside.rows), example: outside.example },
      next: `Add WHERE ${config.intervalColumn} >= '{{ interval.start }}' AND ${config.intervalColumn} < '{{ interval.end }}' to the SELECT; the published table is untouched.`,
    },
  );
}

async function rowsOutside(
  session: Queryable,
  column: string,
  { start, end }: DataInterval,
  rows: TableName,
): Promise<{ readonly rows: string; readonly example: string } | undefined> {
  const [outside] = await session.query<{ rows: string; example: string }>(
    `SELECT count(*) AS rows, min(${column})::text AS example FROM ${sqlName(rows)}
     WHERE NOT (${column} >= ${literal(start)} AND ${column} < ${literal(end)}) HAVING count(*) > 0`,
  );
  return outside;
}

/**
 * The names of the columns of `increment`, and those of them that `target` does not have. Throws `ELT_INCREMENT_COLUMNS` when the two differ in
 * another way, or at all under `on_schema_change: fail`.
 */
export async function compareColumns(
  session: Queryable,
  { name, file, config }: Increment,
  target: TableName,
  increment: TableName,
): Promise<{ readonly columns: readonly string[]; readonly added: readonly string[] }> {
  const before = (await describeRelation(session, target))?.columns ?? [];
  const now = (await describeRelation(session, increment))?.columns ?? [];
  const columns = now.map((column) => column.name);
  const added = columns.filter((name) => !before.some((one) => one.name === name));
  const differences = before.flatMap((column) => {
    const twin = now.find((one) => one.name === column.name);
    if (twin === undefined) return [`${column.name} is gone`];
    return twin.type === column.type ? [] : [`${column.name} is ${twin.type}, was ${column.type}`];
  });
  if (config.onSchemaChange === 'fail') differences.push(...added.map((column) => `${column} is new`));
  if (differences.length === 0) return { columns, added };
  throw new TerminalError(
    'ELT_INCREMENT_COLUMNS',
    `Adding to ${name} failed, its columns changed: ${differences.join('; ')}.`,
    {
      at: { file },
      details: { differences },
      next:
        config.onSchemaChange === 'fail' && differences.length === added.length
          ? 'Set `on_schema_change: append_new_columns`, or build it whole with `plumbline run --force`.'
          : 'Build it whole with `plumbline run --force`; the published table is untouched.',
    },
  );
}

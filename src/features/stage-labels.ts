import { TerminalError } from '../errors.js';
import type { Session } from '../model/database.js';
import type { LabelsFile } from '../model/project.js';
import { identifier, literal } from '../model/sql-identifier.js';
import { columnTypeError, describeQuery, headerColumn, timeColumn, type ShapeColumn } from './query-shape.js';
import { asMoment, asNumber, castEntity, entityType } from './sql-types.js';
import { runUserQuery, type UserQuery } from './user-query.js';
import { plural } from '../model/plural.js';

/** Temporary table: e0, e1, … (entity), t (label time), c (cut-off), y (target), test. Ordered by entity and time. */
export const LABELS = 'pg_temp.plumbline_labels';

export interface StagedEntity extends ShapeColumn {
  /** Type of its column in LABELS. */
  readonly stagedType: string;
}

export interface StagedLabels {
  readonly query: UserQuery;
  readonly entity: readonly StagedEntity[];
  readonly labelTime: ShapeColumn;
  readonly target: ShapeColumn;
  /** Rows left out because their target is NULL or NaN. */
  readonly unlabelledRows: number;
}

/** Runs the labels' SELECT into LABELS, rows without a target left out. Wrong columns and values are TerminalErrors. */
export async function stageLabels(
  session: Session,
  labels: LabelsFile,
  query: UserQuery,
  testFrom: string,
): Promise<StagedLabels> {
  const shape = await describeQuery(session, query);
  const entity = labels.entity.map((name): StagedEntity => {
    const column = headerColumn(shape, 'entity', name);
    const stagedType = entityType(column.class, column.class);
    if (stagedType !== undefined) return { ...column, stagedType };
    throw columnTypeError(
      query,
      column,
      'as entity',
      'a number, text, boolean, uuid, date or timestamp',
      'Cast it in the SELECT.',
    );
  });
  const labelTime = timeColumn(shape, 'label_time', labels.labelTime);
  const target = headerColumn(shape, 'target', labels.target);
  if (!['integer', 'numeric', 'float', 'boolean'].includes(target.class))
    throw columnTypeError(
      query,
      target,
      'as target',
      'a number or boolean',
      'Cast it to a number, or to true and false.',
    );

  const keys = entity.map((_column, index) => `e${index}`);
  const start = await readTestFrom(session, testFrom);
  await runUserQuery(
    query,
    (select) => `CREATE TEMPORARY TABLE plumbline_labels ON COMMIT DROP AS
SELECT s.*, s.t - make_interval(secs => ${labels.horizonMs / 1000}) AS c, s.t >= ${literal(start)}::timestamptz AS test
  FROM (SELECT ${[
    ...entity.map((column, index) => `${castEntity(identifier(column.name), column.stagedType)} AS e${index}`),
    `${asMoment(labelTime)} AS t`,
    `${asNumber(target)} AS y`,
  ].join(', ')} FROM ${select} AS q) AS s
 ORDER BY ${[...keys, 't'].map((key) => `s.${key}`).join(', ')}`,
    (text) => session.execute(text),
  );
  const unlabelledRows = await session.execute(`DELETE FROM ${LABELS} WHERE y IS NULL`);
  await session.execute(`ANALYZE ${LABELS}`);
  await refuseMissingKeys(session, query, [...entity.map((column) => column.name), labelTime.name], [...keys, 't']);
  await refuseDuplicates(session, query, labels, keys);
  return { query, entity, labelTime, target, unlabelledRows };
}

async function readTestFrom(session: Session, testFrom: string): Promise<string> {
  const refuse = (cause?: unknown) =>
    new TerminalError(
      'FEATURES_TEST_FROM',
      `Reading test_from failed: ${JSON.stringify(testFrom)} is not a date or timestamp.`,
      {
        details: { testFrom },
        next: 'Write it as 2012-10-01 or 2012-10-01T00:00:00Z.',
        cause,
      },
    );
  // PostgreSQL also reads 'now' and 'tomorrow', which mean another moment at every run.
  if (!/^\d{4}-\d{2}-\d{2}/.test(testFrom)) throw refuse();
  await session.execute('SAVEPOINT test_from');
  try {
    const rows = await session.query<{ start: string }>('SELECT $1::timestamptz::text AS start', [testFrom]);
    return rows[0]!.start;
  } catch (error) {
    if ((error as { code?: string }).code?.startsWith('22') !== true) throw error;
    await session.execute('ROLLBACK TO SAVEPOINT test_from');
    throw refuse(error);
  }
}

async function refuseMissingKeys(
  session: Session,
  query: UserQuery,
  names: readonly string[],
  keys: readonly string[],
): Promise<void> {
  const counts = keys.map((key) => `count(*) FILTER (WHERE ${missing(key)})::integer AS ${key}`);
  const [row] = await session.query<Record<string, number>>(`SELECT ${counts.join(', ')} FROM ${LABELS}`);
  keys.forEach((key, index) => {
    const rows = row?.[key] ?? 0;
    if (rows === 0) return;
    throw new TerminalError(
      'FEATURES_VALUE',
      `Reading the labels of ${query.file} failed: ${names[index]} is missing or infinite in ${rows} ${plural(rows, 'row that has', 'rows that have')} a target.`,
      {
        details: { file: query.file, column: names[index], rows },
        at: { file: query.file },
        next: `Add \`WHERE ${names[index]} IS NOT NULL\` to the SELECT.`,
      },
    );
  });
}

function missing(key: string): string {
  return key === 't' ? `t IS NULL OR NOT isfinite(t)` : `${key} IS NULL`;
}

async function refuseDuplicates(
  session: Session,
  query: UserQuery,
  labels: LabelsFile,
  keys: readonly string[],
): Promise<void> {
  const group = [...keys, 't'].join(', ');
  const names = [...labels.entity, ...(labels.entity.includes(labels.labelTime) ? [] : [labels.labelTime])];
  const shown = [...keys, ...(labels.entity.includes(labels.labelTime) ? [] : ['t'])];
  const rows = await session.query<{ value: string[]; rows: number }>(
    `SELECT ARRAY[${shown.map((key) => `${key}::text`).join(', ')}] AS value, count(*)::integer AS rows
       FROM ${LABELS} GROUP BY ${group} HAVING count(*) > 1 ORDER BY ${group} LIMIT 3`,
  );
  const [first] = rows;
  if (first === undefined) return;
  throw new TerminalError(
    'FEATURES_DUPLICATE_LABELS',
    `Reading the labels of ${query.file} failed: ${first.rows} ${plural(first.rows, 'row has', 'rows have')} ${names
      .map((name, index) => `${name} = ${first.value[index]}`)
      .join(', ')}, expected one.`,
    {
      details: { file: query.file, columns: names, examples: rows },
      at: { file: query.file },
      next: 'Aggregate or filter in the SELECT so that entity and label time name one row.',
    },
  );
}

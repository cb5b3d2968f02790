import { TerminalError } from '../../errors.js';
import { ENDS_WHEN_FROZEN } from '../../model/brief-transaction.js';
import type { Queryable, Session } from '../../model/database.js';
import type { SnapshotConfig } from '../../model/project.js';
import { identifier } from '../../model/sql-identifier.js';
import { describeRelation, type ColumnFacts } from '../publish/describe-relation.js';
import { sqlName, type TableName } from '../publish/table-name.js';
import { applySnapshot } from './apply-snapshot.js';
import { firstStates, IS_DELETED, SNAPSHOT_COLUMNS, snapshotColumns } from './snapshot-sql.js';

export interface SnapshotNames {
  readonly name: string;
  readonly file: string;
  readonly target: TableName;
  /** Holds what the SELECT gives now. */
  readonly staged: TableName;
}

/** Either the stage has become the whole table to be, or its rows are to be applied to the table that is there. */
export type StagedSnapshot =
  | { readonly kind: 'whole'; readonly rows: number; readonly began: number }
  | { readonly kind: 'increment'; readonly columns: readonly string[] };

/**
 * Checks the rows of now and prepares their publication. The first time, and when the SELECT has a new column, the
 * stage becomes the whole table, with all states of before in it.
 *
 * Throws `ELT_SNAPSHOT_ROWS`, `ELT_SNAPSHOT_COLUMNS` or `ELT_SNAPSHOT_EMPTY`; a retry gives the same and the published
 * table is untouched.
 */
export async function stageSnapshot(
  session: Session,
  config: SnapshotConfig,
  names: SnapshotNames,
): Promise<StagedSnapshot> {
  const { target, staged } = names;
  const now = (await describeRelation(session, staged))?.columns ?? [];
  assertColumns(config, names, now);
  await assertRows(session, config, names);
  const before = await describeRelation(session, target);
  if (before === undefined) return { kind: 'whole', ...(await beginSnapshot(session, config, staged)) };
  assertIsSnapshot(config, names, before.columns, now);
  await assertNotEmpty(session, config, names);
  const columns = now.map((column) => column.name);
  const isWider = [...columns, ...snapshotColumns(config)].some(
    (name) => !before.columns.some((column) => column.name === name),
  );
  if (!isWider) return { kind: 'increment', columns };
  return { kind: 'whole', ...(await widenSnapshot(session, config, names, before.columns, columns)) };
}

/**
 * A snapshot whose file says something else by now would be built anew, and its history gone. Throws
 * `ELT_SNAPSHOT_REPLACED`.
 */
export async function assertNoHistory(
  session: Session,
  { name, file }: { readonly name: string; readonly file: string },
  { target, staged }: { readonly target: TableName; readonly staged: TableName },
): Promise<void> {
  const isSnapshot = (columns: readonly ColumnFacts[] = []): boolean =>
    SNAPSHOT_COLUMNS.every((column) => columns.some((one) => one.name === column));
  if (!isSnapshot((await describeRelation(session, target))?.columns)) return;
  // A copy of a snapshot has its columns too.
  if (isSnapshot((await describeRelation(session, staged))?.columns)) return;
  throw new TerminalError(
    'ELT_SNAPSHOT_REPLACED',
    `Building ${name} failed: the table that is there is a snapshot, and building it anew would lose its history.`,
    { at: { file }, next: 'Write `-- materialized: snapshot`, or rename the file, or drop the table yourself.' },
  );
}

async function beginSnapshot(
  session: Session,
  config: SnapshotConfig,
  staged: TableName,
): Promise<{ rows: number; began: number }> {
  return besideRows(session, staged, async (rows) => {
    const began = await session.execute(`CREATE TABLE ${sqlName(staged)} AS ${firstStates(config, sqlName(rows))}`);
    return { rows: began, began };
  });
}

/** All states of before with NULL in the new columns, none of them deleted, then the rows of now. A new column locks readers out, so beside. */
async function widenSnapshot(
  session: Session,
  config: SnapshotConfig,
  { target, staged }: SnapshotNames,
  before: readonly ColumnFacts[],
  columns: readonly string[],
): Promise<{ rows: number; began: number }> {
  return besideRows(session, staged, async (rows) => {
    const old = before.map(({ name }) => identifier(name)).join(', ');
    const added = columns
      .filter((name) => !before.some((column) => column.name === name))
      .map((name) => `n.${identifier(name)}`);
    const isMarkedNow = config.recordsDeleted === true && !before.some((column) => column.name === IS_DELETED);
    if (isMarkedNow) added.push(`'False'::text AS ${IS_DELETED}`);
    const mark = isMarkedNow ? { column: `, ${IS_DELETED}`, value: `, 'False'` } : { column: '', value: '' };
    const widened = `SELECT ${before.map(({ name }) => `t.${identifier(name)}`).join(', ')}, ${added.join(', ')}`;
    await session.execute(
      `CREATE TABLE ${sqlName(staged)} AS ${widened} FROM ${sqlName(target)} t, ${sqlName(rows)} n WITH NO DATA`,
    );
    const kept = await session.execute(
      `INSERT INTO ${sqlName(staged)} (${old}${mark.column}) SELECT ${old}${mark.value} FROM ${sqlName(target)}`,
    );
    const began = await applySnapshot(session, config, columns, rows, staged);
    return { rows: kept + began, began };
  });
}

/** In one transaction, so that the stage is the rows of now or the whole table, and nothing else stays. */
async function besideRows<T>(session: Session, staged: TableName, work: (rows: TableName) => Promise<T>): Promise<T> {
  const rows = { schema: staged.schema, name: `${Buffer.from(staged.name).subarray(0, 50).toString()}__rows` };
  return session.transaction(async () => {
    await session.execute(`ALTER TABLE ${sqlName(staged)} RENAME TO ${identifier(rows.name)}`);
    const result = await work(rows);
    await session.execute(`DROP TABLE ${sqlName(rows)}`);
    return result;
  }, ENDS_WHEN_FROZEN);
}

function assertColumns(config: SnapshotConfig, { name, file }: SnapshotNames, columns: readonly ColumnFacts[]): void {
  const known = columns.map((column) => column.name);
  const named = [
    ...config.uniqueKey,
    ...(config.updatedAt === undefined ? [] : [config.updatedAt]),
    ...(config.checkColumns === 'all' ? [] : config.checkColumns),
  ];
  const missing = named.filter((column) => !known.includes(column));
  const own = known.filter((column) => [...SNAPSHOT_COLUMNS, IS_DELETED].includes(column));
  const time = columns.find((column) => column.name === config.updatedAt);
  const problems = [
    ...(time === undefined || /^(timestamp|date)/.test(time.type)
      ? []
      : [`updated_at names ${time.name}, which is ${time.type}, expected a date or timestamp`]),
    ...missing.map((column) => `its header names ${column}, which the SELECT does not give`),
    ...own.map((column) => `the SELECT gives ${column}, which is a column of snapshots`),
  ];
  if (problems.length > 0) throw columnsError(name, file, problems, `The SELECT gives ${known.join(', ')}.`);
}

function assertIsSnapshot(
  { recordsDeleted }: SnapshotConfig,
  { name, file }: SnapshotNames,
  before: readonly ColumnFacts[],
  now: readonly ColumnFacts[],
): void {
  if (SNAPSHOT_COLUMNS.some((column) => !before.some((one) => one.name === column))) {
    const next = 'Rename the file, or drop the table if nothing in it is needed.';
    throw columnsError(name, file, ['there is a table of that name that is no snapshot'], next);
  }
  if (recordsDeleted !== true && before.some((column) => column.name === IS_DELETED)) {
    const next =
      'Write `-- hard_deletes: new_record` again: states of deleted rows would count as rows that are there.';
    throw columnsError(name, file, ['it was kept with hard_deletes: new_record'], next);
  }
  const problems = now.flatMap((column) => {
    const twin = before.find((one) => one.name === column.name);
    return twin === undefined || twin.type === column.type
      ? []
      : [`${column.name} is ${column.type}, was ${twin.type}`];
  });
  if (problems.length > 0)
    throw columnsError(name, file, problems, 'Cast the column to its former type, or give it another name.');
}

async function assertRows(
  session: Queryable,
  config: SnapshotConfig,
  { name, file, staged }: SnapshotNames,
): Promise<void> {
  const keys = config.uniqueKey.map(identifier);
  const times = config.updatedAt === undefined ? [] : [identifier(config.updatedAt)];
  const isNull = [...keys, ...times].map((column) => `bool_or(${column} IS NULL)`).join(' OR ');
  const [first] = await session.query<{ rows: string; key: unknown }>(
    `SELECT count(*) AS rows, to_jsonb(k) AS key FROM (SELECT ${[...new Set([...keys, ...times])].join(', ')} FROM ${sqlName(staged)}) k
     GROUP BY ${keys.join(', ')}, k HAVING ${isNull} LIMIT 1`,
  );
  const [repeated] = await session.query<{ rows: string; key: unknown }>(
    `SELECT count(*) AS rows, (array_agg(to_jsonb(k)))[1] AS key FROM (SELECT ${keys.join(', ')} FROM ${sqlName(staged)}) k
     GROUP BY ${keys.join(', ')} HAVING count(*) > 1 LIMIT 1`,
  );
  const wrong = first ?? repeated;
  if (wrong === undefined) return;
  const what =
    first === undefined
      ? `the key ${JSON.stringify(wrong.key)} occurs in ${wrong.rows} rows`
      : `a row has a NULL: ${JSON.stringify(wrong.key)}`;
  throw new TerminalError('ELT_SNAPSHOT_ROWS', `Adding to snapshot ${name} failed: ${what}.`, {
    at: { file },
    details: { key: wrong.key },
    next: 'Let the SELECT give each key once, and no NULL in unique_key and updated_at; the published table is untouched.',
  });
}

async function assertNotEmpty(
  session: Queryable,
  config: SnapshotConfig,
  { name, file, target, staged }: SnapshotNames,
): Promise<void> {
  if (!config.closesDeleted || config.allowEmpty) return;
  const [found] = await session.query<{ empty: boolean; current: string }>(
    `SELECT NOT EXISTS (SELECT FROM ${sqlName(staged)}) AS empty,
       (SELECT count(*) FROM ${sqlName(target)} t WHERE dbt_valid_to IS NULL AND to_jsonb(t)->>'${IS_DELETED}' IS DISTINCT FROM 'True') AS current`,
  );
  if (found?.empty !== true || found.current === '0') return;
  throw new TerminalError(
    'ELT_SNAPSHOT_EMPTY',
    `Adding to snapshot ${name} failed: the SELECT gave no row, which would end all ${found.current} that are current.`,
    { at: { file }, next: 'Look at what it reads; if all rows are gone indeed, write `-- allow_empty: true`.' },
  );
}

function columnsError(name: string, file: string, problems: readonly string[], next: string): TerminalError {
  return new TerminalError('ELT_SNAPSHOT_COLUMNS', `Adding to snapshot ${name} failed: ${problems.join('; ')}.`, {
    at: { file },
    details: { problems },
    next,
  });
}

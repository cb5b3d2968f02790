import { failpoint } from '../../failpoint.js';
import { childTables, nestedColumns } from '../../model/child-tables.js';
import type { Session } from '../../model/database.js';
import { cancelOnAbort } from '../../model/cancel-on-abort.js';
import { onSession } from '../../model/on-session.js';
import type { ColumnType } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { unitedProfile } from '../anomaly/counted-profile.js';
import type { Profile } from '../anomaly/find-anomalies.js';
import { guardPublication } from '../anomaly/guard-publication.js';
import { buildChildTables } from '../nested/build-child-tables.js';
import { assertSwappable } from '../publish/assert-swappable.js';
import { swapTable } from '../publish/swap-table.js';
import { tableColumns } from '../schema/table-columns.js';
import { changedTypes } from './change-type.js';
import { copyRows, type Source } from './copy-rows.js';
import { markPublished } from './claim-publication.js';
import { countMadeWay, keepLast, type MadeWay } from './keep-last.js';
import type { LedgerLine } from './ledger.js';
import { countRows } from './count-rows.js';
import { readColumns } from './read-columns.js';
import type { Publishing, PublishResult, PublishWork } from './publish-resource.js';
import {
  dropStages,
  isFilled,
  isGroupStage,
  linesByStage,
  publishName,
  stageOf,
  type StageName,
} from './stage-table.js';
import { createTable } from './shape-table.js';
import { tableUnknown } from './table-unknown.js';
import { uniteColumns, type TypedTable } from './unite-columns.js';

/** `replace`: a table of exactly these loads takes the place of the published one. */
export async function publishBySwap(session: Session, work: PublishWork): Promise<PublishResult> {
  const { options, publication, lines } = work;
  const { database, schemas, resource, runId, signal } = options;
  const target = { schema: schemas.raw, name: resource.table };
  const tables = childTables(resource).map(({ table }) => ({ schema: schemas.raw, name: table }));
  // What a file without rows says of the table is that it has none.
  const filled = { ...work, lines: lines.filter(isFilled) };
  const stage = await wholeStage(session, filled);
  // A stage that is swapped in as it is needs no work that could be in vain: the swap itself looks first.
  if (stage === undefined || tables.length > 0)
    for (const table of [target, ...tables]) await assertSwappable(onSession(session), table);
  const former = await tableColumns(session, target.schema, target.name);
  const built = await cancelOnAbort(database, session, signal, () => build(session, filled, target, stage));
  const children =
    resource.children === undefined
      ? []
      : await cancelOnAbort(database, session, signal, () =>
          session.transaction(() => buildChildTables(session, filled, built)),
        );
  const columns = [...built.columns].map(([name, type]) => ({ name, type, header: name }));
  const columnsAdded =
    former === undefined ? [] : columns.filter(({ name }) => !former.has(name)).map(({ name }) => name);
  const typesChanged = changedTypes(former, built.columns);
  const columnsGone = [...(former?.keys() ?? [])].filter((name) => !built.columns.has(name));
  const accepted = options.acceptAnomaly === true;
  const { env, project } = options;
  const { rows, profile, anomalies } = await guardPublication(session, {
    env,
    project,
    resource,
    built: built.table,
    columns: [...built.columns.keys()],
    ...(built.profile && { known: built.profile }),
    target,
    isNew: former === undefined,
    accepted,
  });
  const result: { version: number; rowsMadeWay?: number } & Publishing = {
    rows,
    table: `${target.schema}.${target.name}`,
    version: 0,
    columnsAdded,
    typesChanged,
    ...(columnsGone.length > 0 && { columnsGone }),
    anomalies,
    ...(children.length > 0 && { children: children.map(({ table, rows: of }) => ({ table, rows: of })) }),
  };
  // The connection that whoever takes over will end; cancelling needs another one, so single statements stay the pool's.
  const pinned = { ...onSession(session), query: database.query.bind(database) };
  await swapTable(pinned, {
    staged: built.table,
    target,
    beside: children.map(({ swap }) => swap),
    ...(signal && { signal }),
    onWait: (waitingFor) => options.onProgress?.({ waiting: `for ${waitingFor}` }),
    async beforeCommit(swapping) {
      const rowsMadeWay = await countMadeWay(swapping, built.madeWay);
      if (rowsMadeWay > 0) result.rowsMadeWay = rowsMadeWay;
      result.version = await markPublished(swapping, publication, {
        runId,
        write: resource.write,
        table: target,
        loadIds: lines.map(({ loadId }) => loadId),
        stagedIds: staged(lines).map(({ loadId }) => loadId),
        displacedIds: await otherPublished(swapping, work),
        columns,
        columnsAdded,
        typesChanged,
        rows,
        ...(profile && { profile }),
        isAnomalyAccepted: accepted && anomalies.length > 0,
      });
      await dropStages(swapping, schemas.stage, staged(lines));
      await options.onPublish?.(swapping, { ...result });
      await failpoint('replace.before-commit');
    },
  });
  return { status: 'published', ...result };
}

export interface Built extends TypedTable {
  readonly madeWay: MadeWay;
  /** Where the loads have counted it, and every row that it read is there. */
  readonly profile?: Profile;
}

async function build(
  session: Session,
  work: PublishWork,
  target: StageName,
  table: StageName | undefined,
): Promise<Built> {
  if (table !== undefined) {
    const { resource } = work.options;
    // The stage becomes the table as it is; its defaults served COPY, and its nested columns the child tables.
    const nested = [...nestedColumns(resource.children)].map((name) => `, DROP COLUMN IF EXISTS ${identifier(name)}`);
    await session.execute(
      `ALTER TABLE ${qualified(table.schema, table.name)} ALTER _load_id DROP DEFAULT, ALTER _loaded_at DROP DEFAULT${nested.join('')}`,
    );
    const profile = countedOf(work.lines);
    return {
      table,
      columns: readColumns(work.lines[0]!, resource),
      madeWay: new Map(),
      ...(profile && { profile }),
    };
  }
  return session.transaction(() => combine(session, work, target));
}

/** Undefined where a load has not counted, or rows that it read are not there. */
function countedOf(lines: readonly LedgerLine[]): Profile | undefined {
  const profiles = lines.map(({ rowsLoaded, rowsRead, reader }) =>
    rowsLoaded === rowsRead ? reader?.profile : undefined,
  );
  return profiles.every((profile) => profile !== undefined) ? unitedProfile(profiles) : undefined;
}

/** The stage that has the rows of all loads and no others, so that it can become the table; undefined when they are to be put together. */
async function wholeStage(session: Session, { lines, options }: PublishWork): Promise<StageName | undefined> {
  const [first] = lines;
  const isOne = lines.every(({ status, stageTable }) => status === 'staged' && stageTable === first?.stageTable);
  if (first === undefined || !isOne) return undefined;
  const stage = stageOf(options.schemas.stage, first);
  if (!isGroupStage(stage)) return stage;
  // Of rows with one key in several files that of the last stays.
  if (lines.length > 1 && options.resource.primaryKey.length > 0) return undefined;
  // One that was begun anew elsewhere has left its rows.
  const rows = await countRows(session, stage);
  return rows === lines.reduce((sum, { rowsLoaded }) => sum + rowsLoaded, 0) ? stage : undefined;
}

/** Staged loads come from their stages, published ones from the table they are in. */
async function combine(session: Session, work: PublishWork, target: StageName): Promise<Built> {
  const { lines, options } = work;
  const { schemas, resource } = options;
  const isThere = lines.some(({ status }) => status === 'published');
  const published = isThere ? await tableColumns(session, target.schema, target.name) : undefined;
  const sources: Source[] = [
    ...(published === undefined ? [] : [{ table: target, columns: keptColumns(published, lines), ofLoads: lines }]),
    ...linesByStage(staged(lines)).map((ofLoads) => {
      const table = stageOf(schemas.stage, ofLoads[0]!);
      return { table, columns: readColumns(ofLoads[0]!, resource), ...(isGroupStage(table) && { ofLoads }) };
    }),
  ];
  const columns =
    lines.length === 0
      ? await emptyColumns(session, work, target)
      : await uniteColumns(session, sources, resource.columns);
  const table = publishName(schemas.stage, options);
  await session.execute(`DROP TABLE IF EXISTS ${qualified(table.schema, table.name)}`);
  await createTable(session, table, columns);
  for (const source of sources) await copyRows(session, source, table, columns);
  const madeWay =
    resource.primaryKey.length === 0 || lines.length === 0
      ? new Map<string, number>()
      : await keepLast(session, table, resource.primaryKey, lines);
  return { table, columns, madeWay };
}

/** A table that is emptied keeps its columns. */
async function emptyColumns(
  session: Session,
  { options }: PublishWork,
  target: StageName,
): Promise<ReadonlyMap<string, ColumnType>> {
  const former = await tableColumns(session, target.schema, target.name);
  const columns = former ?? new Map(Object.entries(options.resource.columns));
  if (columns.size === 0) throw tableUnknown(options.resource);
  return columns;
}

async function otherPublished(session: Session, { options, lines }: PublishWork): Promise<string[]> {
  const rows = await session.query<{ loadId: string }>(
    `SELECT load_id AS "loadId" FROM plumbline.loads
     WHERE env = $1 AND project = $2 AND resource = $3 AND status = 'published' AND load_id <> ALL($4::bigint[])`,
    [options.env, options.project, options.resource.id, lines.map(({ loadId }) => loadId)],
  );
  return rows.map(({ loadId }) => loadId);
}

/** Columns that only displaced files had do not stay. */
function keptColumns(
  published: ReadonlyMap<string, ColumnType>,
  lines: readonly LedgerLine[],
): Map<string, ColumnType> {
  const kept = new Set(lines.flatMap((line) => line.reader?.columns.map(({ name }) => name) ?? []));
  return new Map([...published].filter(([name]) => kept.has(name)));
}

function staged(lines: readonly LedgerLine[]): LedgerLine[] {
  return lines.filter(({ status }) => status === 'staged');
}

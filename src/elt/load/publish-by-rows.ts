import { TerminalError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import { BRIEFLY_LOCKED } from '../../model/brief-transaction.js';
import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig, Schemas } from '../../model/project.js';
import { cancelOnAbort } from '../../model/cancel-on-abort.js';
import { isByInterval } from '../../model/is-by-interval.js';
import { qualified } from '../../model/sql-identifier.js';
import { countLateRows } from '../cursor/count-late-rows.js';
import { moveCursor } from '../cursor/cursor-state.js';
import { guardBatches, type GuardedBatches } from '../anomaly/guard-batches.js';
import { addRows } from '../merge/add-rows.js';
import { prepareMerge } from '../merge/merge-index.js';
import { mergeStrategy } from '../merge/merge-key.js';
import { countMissing } from '../merge/count-missing.js';
import { removeGone } from '../merge/remove-gone.js';
import type { UnitStage } from '../merge/unit.js';
import { publishChildRows } from '../nested/publish-child-rows.js';
import { tableColumns } from '../schema/table-columns.js';
import { activateVersion } from './activate-version.js';
import { markPublished } from './claim-publication.js';
import { columnsGone } from './columns-gone.js';
import { countChangedRows } from './count-changed-rows.js';
import { followRows } from './follow-rows.js';
import { formerIntervals } from './former-intervals.js';
import { isKnownByContent } from './leave-out-copies.js';
import { countMadeWay, keepLastOfAnswer } from './keep-last.js';
import type { LedgerLine } from './ledger.js';
import type { PublishOptions, PublishResult, PublishWork } from './publish-resource.js';
import { readColumns } from './read-columns.js';
import { choosingColumn, refuseOtherColumn } from './refuse-other-column.js';
import { refuseOtherSource } from './refuse-other-source.js';
import { refuseRepeatedKey } from './refuse-repeated-key.js';
import { shapeTable, type Shape } from './shape-table.js';
import { tableUnknown } from './table-unknown.js';
import { dropStages, isFilled, isGroupStage, keysName, linesByStage, stageOf, type StageName } from './stage-table.js';

/** `append` and `merge`: the staged rows go into the published table, in one transaction with the ledger. */
export async function publishByRows(session: Session, work: PublishWork): Promise<PublishResult> {
  const { database, signal } = work.options;
  const merge = (): Promise<PublishResult> => mergeStages(session, work);
  return cancelOnAbort(database, session, signal, () => session.transaction(merge, BRIEFLY_LOCKED));
}

async function mergeStages(session: Session, work: PublishWork): Promise<PublishResult> {
  const { options, publication, lines } = work;
  const { schemas, resource, runId, signal } = options;
  const target = { schema: schemas.raw, name: resource.table };
  const staged = lines.filter(({ status }) => status === 'staged');
  const filled = staged.filter(isFilled);
  const { batches, anomalies } = await guard(session, work, target, staged);
  const rowsAfter = await followRows(session, publication, target);
  const former = await tableColumns(session, target.schema, target.name);
  const isNew = former === undefined;
  if (!isNew) await refuseOtherSource(session, publication, resource, target, former);
  const displacedIds = await formerContents(session, work, staged, isNew);
  const intervalColumn = choosingColumn(resource);
  if (intervalColumn !== undefined && !isNew)
    await refuseOtherColumn(session, publication, resource, intervalColumn, [
      ...displacedIds,
      ...lines.map(({ loadId }) => loadId),
    ]);
  if (resource.write === 'append' && filled.length < staged.length)
    await refuseToEmpty(session, options, staged, displacedIds);
  // Before a column gets another type: rows that go need not fit it.
  if (resource.write === 'append' && displacedIds.length > 0 && !isNew)
    await session.execute(`DELETE FROM ${qualified(target.schema, target.name)} WHERE _load_id = ANY($1::bigint[])`, [
      displacedIds,
    ]);
  const { columns, columnsAdded, typesChanged } = await shapeTarget(session, options, target, filled, former);
  const publishing = {
    resource,
    target,
    columns,
    lines,
    stages: filled.length === 0 ? [] : unitStages(options, filled),
    isNew,
  };
  const rowsMadeWay = await countMadeWay(session, await keepLastOfAnswer(session, publishing));
  const batch = staged.map(({ loadId }) => loadId);
  let rowsLate = 0;
  let rowsChanged = 0;
  let rowsGone = 0;
  let rowsMissing = 0;
  // Without a cursor nothing comes twice for no reason; a history has other rows than come.
  const isCounted =
    resource.cursor !== undefined && !isNew && typesChanged.length === 0 && mergeStrategy(resource) === 'upsert';
  const mayEmpty = options.acceptAnomaly === true;
  if (resource.write === 'merge') await indexSharedStages(session, schemas, filled);
  for (const unit of unitsOf(resource, filled)) {
    for (const line of unit) {
      const stage = stageOf(schemas.stage, line);
      if (options.cursor?.from !== undefined && !isNew)
        rowsLate += await countLateRows(session, { resource, from: options.cursor.from, stage, stageColumns: readColumns(line, resource), target, targetColumns: columns }); // prettier-ignore
      if (isCounted) rowsChanged += await countChangedRows(session, { resource, target, stage, line, columns });
    }
    const isWhole = options.isPart !== true && unit.every(({ rowsRejected }) => rowsRejected === 0);
    const stages = unitStages(options, unit);
    await addRows(session, { resource, target, columns, stages, batch }, isWhole);
    for (const { table, loadId, types: keyTypes } of resource.postgres?.reconciles === true ? stages : []) {
      const keys = keysName(table);
      rowsGone += await removeGone(session, { resource, target, columns, keys, keyTypes, loadId, mayEmpty }); // prettier-ignore
      rowsMissing += await countMissing(session, { env: options.env, project: options.project, resource, target, columns, keys, keyTypes }); // prettier-ignore
    }
  }
  await refuseRepeatedKey(session, publishing);
  const rowsRemoved = await activateVersion(session, resource, target, columns, filled, mayEmpty);
  const { children, ...elements } = await publishChildRows(session, { env: options.env, project: options.project, resource, schemas, target, columns, staged: filled, displacedIds, isThinned: rowsRemoved + rowsGone + rowsMadeWay > 0, isNew, isCounted }); // prettier-ignore
  rowsChanged += elements.rowsChanged;
  await dropStages(session, schemas.stage, staged);
  const rows = await rowsAfter();
  const version = await markPublished(session, publication, {
    runId,
    write: resource.write,
    ...(intervalColumn && { intervalColumn }),
    table: target,
    loadIds: lines.map(({ loadId }) => loadId),
    stagedIds: batch,
    displacedIds,
    columns: [...columns].map(([name, type]) => ({ name, type, header: name })),
    columnsAdded,
    typesChanged,
    rows,
    ...(batches && { batches }),
    isAnomalyAccepted: options.acceptAnomaly === true && anomalies.length > 0,
  });
  if (options.cursor?.to !== undefined && resource.cursor !== undefined)
    await moveCursor(session, publication, resource.cursor, { from: options.cursor.from, to: options.cursor.to });
  const late = options.cursor === undefined ? {} : { rowsLate };
  const changed = isCounted ? { rowsChanged } : {};
  const removed = { ...(rowsRemoved > 0 && { rowsRemoved }), ...(rowsMadeWay > 0 && { rowsMadeWay }) };
  const gone = isNew ? [] : await columnsGone(session, publication, resource, staged);
  const deleted = resource.postgres?.reconciles === true ? { rowsGone, rowsMissing } : {};
  const counts = { ...late, ...changed, ...deleted, ...removed, ...(children.length > 0 && { children }) };
  const result = {
    rows,
    table: `${target.schema}.${target.name}`,
    version,
    columnsAdded,
    typesChanged,
    ...(gone.length > 0 && { columnsGone: gone }),
    anomalies,
    ...counts,
  };
  await options.onPublish?.(session, result);
  await failpoint('publish.before-commit');
  signal?.throwIfAborted();
  return { status: 'published' as const, ...result };
}

/** What comes in, compared with what came before; all that a source has is not comparable with what was new since. */
async function guard(
  session: Session,
  { options }: PublishWork,
  target: StageName,
  staged: readonly LedgerLine[],
): Promise<GuardedBatches> {
  const { env, project, schemas, resource, acceptAnomaly: accepted = false } = options;
  const isAll = options.isFull === true || (resource.cursor !== undefined && options.cursor?.from === undefined);
  if (isAll || resource.anomaly === undefined) return { anomalies: [] };
  const former = await tableColumns(session, target.schema, target.name);
  const batches = unitsOf(resource, staged).map((unit) => ({
    name: resource.type === 'files' ? unit[0]!.path : '',
    stages: unit.map((line) => ({
      table: stageOf(schemas.stage, line),
      names: [...readColumns(line, resource).keys()],
    })),
  }));
  return guardBatches(session, { env, project, resource, target, columns: [...(former?.keys() ?? [])], batches, accepted }); // prettier-ignore
}

/** A file that had rows and has none now takes them away only where that is allowed. Throws `ELT_SOURCE_EMPTY` (terminal). */
async function refuseToEmpty(
  session: Session,
  { resource, acceptAnomaly }: PublishOptions,
  staged: readonly LedgerLine[],
  displacedIds: readonly string[],
): Promise<void> {
  if (resource.allowEmpty === true || acceptAnomaly === true) return;
  const empty = staged.filter((line) => !isFilled(line)).map(({ path }) => path);
  const [former] = await session.query<{ path: string; rows: number }>(
    `SELECT path, rows_loaded::float8 AS rows FROM plumbline.loads
     WHERE load_id = ANY($1::bigint[]) AND path = ANY($2) AND rows_loaded > 0 ORDER BY load_id LIMIT 1`,
    [displacedIds, empty],
  );
  if (former === undefined) return;
  throw new TerminalError(
    'ELT_SOURCE_EMPTY',
    `Publishing ${resource.id} was stopped: ${former.path} has no rows any more, and ${former.rows} of its former content are in the table; it keeps them.`,
    {
      at: resource.at,
      next: 'Look at the file. If it is right, `plumbline run --accept-anomaly` takes its rows away; `allow_empty: true` always lets it.',
    },
  );
}

/** Each file by itself, in their order; what another source was asked for at once belongs together. */
function unitsOf({ type, write }: ResourceConfig, staged: readonly LedgerLine[]): (readonly LedgerLine[])[] {
  // Rows that are added as they are need no order: those of one stage go at once.
  if (type === 'files' && write === 'append') return linesByStage(staged);
  if (type === 'files') return staged.map((line) => [line]);
  return staged.length === 0 ? [] : [staged];
}

/** The stages of a unit; of a stage that others share, their own rows. */
function unitStages(
  { schemas, resource }: PublishOptions,
  unit: readonly LedgerLine[],
): (UnitStage & Required<Pick<UnitStage, 'types'>>)[] {
  return linesByStage(unit).map((lines) => {
    const [first] = lines as readonly [LedgerLine];
    const stage = stageOf(schemas.stage, first);
    const ofLoads = isGroupStage(stage) ? { ofLoads: lines.map(({ loadId }) => loadId) } : {};
    const types = readColumns(first, resource);
    return { table: { ...stage, ...ofLoads }, names: [...types.keys()], types, loadId: first.loadId };
  });
}

/** Merged file by file, each looks for its rows in the stage that it shares. */
async function indexSharedStages(session: Session, { stage }: Schemas, staged: readonly LedgerLine[]): Promise<void> {
  for (const [first] of linesByStage(staged)) {
    const { schema, name } = stageOf(stage, first!);
    if (isGroupStage({ schema, name })) await session.execute(`CREATE INDEX ON ${qualified(schema, name)} (_load_id)`);
  }
}

/** The table as it holds what is staged, with what its rows are merged by. */
async function shapeTarget(
  session: Session,
  { schemas, resource }: PublishOptions,
  target: StageName,
  staged: readonly LedgerLine[],
  former: ReadonlyMap<string, ColumnType> | undefined,
): Promise<Shape> {
  const stages = linesByStage(staged).map(([line]) => ({
    table: stageOf(schemas.stage, line!),
    columns: readColumns(line!, resource),
  }));
  const shape = await shapeTable(session, resource, target, stages, former);
  if (shape.isNew && staged.length === 0) throw tableUnknown(resource);
  await prepareMerge(session, target, resource);
  return shape;
}

/** Published loads of former contents of the same files, of the same content under a former name, or of the same interval. */
async function formerContents(
  session: Session,
  { options, lines }: PublishWork,
  staged: readonly LedgerLine[],
  isNew: boolean,
): Promise<string[]> {
  if (isByInterval(options.resource)) return formerIntervals(session, options, lines, isNew);
  const rows = await session.query<{ loadId: string }>(
    `SELECT load_id AS "loadId" FROM plumbline.loads
     WHERE env = $1 AND project = $2 AND resource = $3 AND status = 'published' AND load_id <> ALL($5::bigint[])
       AND (path = ANY($4) OR sha256 = ANY($6))`,
    [
      options.env,
      options.project,
      options.resource.id,
      staged.map(({ path }) => path),
      lines.map(({ loadId }) => loadId),
      isKnownByContent(options.resource) ? staged.map(({ sha256 }) => sha256) : [],
    ],
    { isKept: true },
  );
  return rows.map(({ loadId }) => loadId);
}

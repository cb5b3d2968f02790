import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TerminalError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import { BRIEFLY_LOCKED } from '../../model/brief-transaction.js';
import { cancelOnAbort } from '../../model/cancel-on-abort.js';
import { childTables, nestedColumns } from '../../model/child-tables.js';
import type { Session } from '../../model/database.js';
import type { ColumnType } from '../../model/project.js';
import { qualified } from '../../model/sql-identifier.js';
import type { LoadColumn } from '../schema/column.js';
import { countChildRows, joinChildRows, type ChildRows } from '../nested/publish-child-rows.js';
import { numberChildRows } from '../nested/number-child-rows.js';
import { stageChildren, withoutOrphans, type ParentFault } from '../nested/stage-children.js';
import { joinRows } from '../merge/add-rows.js';
import { takeOutRetried } from '../forget/take-out-forgotten.js';
import { tableColumns } from '../schema/table-columns.js';
import { changedTypes, changeType } from './change-type.js';
import {
  assertPublication,
  claimPublication,
  markPublished,
  publishedVersion,
  releasePublication,
  type Publication,
  type PublishedVersion,
} from './claim-publication.js';
import { stageCorrectedRows, type CorrectedFile } from './corrected-rows.js';
import { countRows } from './count-rows.js';
import { takeOutRetriedOutside } from './leave-out-outside.js';
import { loadsById, type ChildStage, type LedgerLine } from './ledger.js';
import { LoadFencedError } from './load-fenced-error.js';
import { otherSource } from './other-source.js';
import type { PublishOptions } from './publish-resource.js';
import { writeKeptRows, type QuarantinedRow } from './quarantined-row.js';
import { refuseRepeatedKey } from './refuse-repeated-key.js';
import { settleDuplicates } from './settle-duplicates.js';
import { keepQuarantined, leaveUntouched, takeFromQuarantine } from './take-from-quarantine.js';
import type { StageName } from './stage-table.js';

export interface RetryOptions extends Omit<PublishOptions, 'loads' | 'onPublish' | 'cursor'> {
  readonly loadId: string;
  /** Corrected rows; without it the rows as they were kept are read by today's types. */
  readonly corrected?: CorrectedFile & { readonly sha256: string };
  /** Runs in the transaction that makes the rows visible; not called when another attempt of the run has done it. */
  readonly onPublish?: (session: Session, result: RetryResult) => Promise<void>;
}

/** Plain JSON. */
export interface RetryResult {
  readonly accepted: number;
  /** Retried rows that stay quarantined, with their new reasons. */
  readonly rejected: number;
  /** Retried rows whose primary key a later row has. */
  readonly duplicate: number;
  /** Earlier rows of the table that made way for one with their primary key. */
  readonly displaced: number;
  /** Rows of the file that are not quarantined, as after an earlier retry. */
  readonly leftOut: number;
  /** Rows of the table afterwards. */
  readonly rows: number;
  /** Of the resource, as `publishResource` counts them. */
  readonly version: number;
  /** Of the whole child tables; missing when there are none. */
  readonly children?: readonly ChildRows[];
}

/**
 * Gives the quarantined rows of a published load another chance: those that fit now go into the table under their load and row number, the others
 * stay with their new reasons. Rows, quarantine and ledger change in one transaction behind the fence of a publication, so
 * rows read = loaded + rejected + duplicate holds throughout. Idempotent by load and run.
 *
 * Terminal: `ELT_RETRY_LOAD`, `ELT_RETRY_FILE`, `ELT_KEY_REPEATED`, `ELT_TYPE_CHANGE`. Transient: `ELT_LOAD_FENCED`, `ELT_WRITER_STUCK`, PostgreSQL's own.
 */
export async function retryRejects(options: RetryOptions): Promise<RetryResult> {
  const { database, schemas, env, project, resource, loadId, signal } = options;
  const claimed: { publication?: Publication } = {};
  try {
    return await database.session(async (session) => {
      const key = { env, project, resource: resource.id };
      const publication = (claimed.publication = await claimPublication(session, key, signal));
      const done = await earlierAttempt(session, options, publication);
      if (done !== undefined) return done;
      const target = { schema: schemas.raw, name: resource.table };
      const line = await publishedLoad(session, options);
      const there = await tableColumns(session, target.schema, target.name);
      if (there === undefined)
        throw refused(options, `its table ${target.schema}.${target.name} is gone`, 'Load it with `plumbline run`.');
      const other = await otherSource(session, key, target);
      if (other !== undefined)
        throw refused(options, `its table ${target.schema}.${target.name} has the rows of ${other} now`, 'Load it with `plumbline run`.'); // prettier-ignore
      // A name that runs of the project sweep: a killed attempt leaves nothing behind.
      const stage = { schema: schemas.stage, name: `publish_${loadId}` };
      const columns = typesNow(options, line, there);
      const wrong = await withCorrected(session, options, columns, (corrected) =>
        stageCorrectedRows(session, { corrected, stage, loadId, columns, signal }),
      );
      const work = { options, publication, target, stage, columns, there };
      const publish = async (): Promise<RetryResult> => {
        const elements = await stageRetriedElements(session, work);
        return session.transaction(async () => {
          await takeOutRetried(session, { env, project, personal: resource.personal ?? [], stage: qualified(stage.schema, stage.name), loadId, columns }); // prettier-ignore
          const outside = await takeOutRetriedOutside(session, { resource, line }, stage, columns);
          const faults = [...wrong, ...elements.faults, ...outside];
          const left = await keepQuarantined(session, loadId, stage, faults);
          const untouched = await leaveUntouched(session, loadId, stage, columns);
          const stages = await stagesOfRetried(session, work, elements.stages);
          const kept = { rejected: faults.length - left.wrong + untouched, leftOut: left.all };
          const retried = await publishRows(session, work, kept, stages);
          await options.onPublish?.(session, retried);
          await failpoint('retry.before-commit');
          signal?.throwIfAborted();
          return retried;
        }, BRIEFLY_LOCKED);
      };
      const result = await cancelOnAbort(database, session, signal, publish);
      await failpoint('retry.after-commit');
      return result;
    });
  } finally {
    // Where PostgreSQL is gone, so is the connection that is named there.
    if (claimed.publication !== undefined) await releasePublication(database, claimed.publication).catch(() => {});
  }
}

/** Child rows of the retried rows; those that an element makes impossible leave the stage. */
async function stageRetriedElements(
  session: Session,
  { options, publication, stage, columns }: Work,
): Promise<{ readonly stages: readonly ChildStage[]; readonly faults: readonly ParentFault[] }> {
  const { resource, schemas, loadId, signal, corrected } = options;
  if (resource.children === undefined) return { stages: [], faults: [] };
  const faults = new Map<number, ParentFault>();
  const stages = await stageChildren({
    session,
    resource,
    schemas,
    stage,
    columns,
    loadId,
    file: corrected?.file ?? `the rejected rows of load ${loadId}`,
    staged: [],
    signal,
    async takeOut(bad) {
      for (const fault of bad) if (!faults.has(fault.row)) faults.set(fault.row, fault);
      await session.execute(
        `DELETE FROM ${qualified(stage.schema, stage.name)} WHERE _row_number = ANY($1::bigint[])`,
        [bad.map(({ row }) => row)],
      );
      await assertPublication(session, publication);
    },
    keep: () => assertPublication(session, publication),
    goOn: () => Promise.resolve(),
  });
  return { stages, faults: [...faults.values()] };
}

/** Without the elements of rows that have left the stage since, and numbered behind the child rows of their load. */
async function stagesOfRetried(
  session: Session,
  { options, stage }: Work,
  stages: readonly ChildStage[],
): Promise<readonly ChildStage[]> {
  const { resource, schemas, loadId } = options;
  const kept = await withoutOrphans(session, { resource, schemas, stage }, stages);
  await numberChildRows(session, { resource, schemas, loadId }, kept);
  return kept;
}

interface Work {
  readonly options: RetryOptions;
  readonly publication: Publication;
  readonly target: StageName;
  readonly stage: StageName;
  readonly columns: readonly LoadColumn[];
  /** The table's columns before. */
  readonly there: ReadonlyMap<string, ColumnType>;
}

async function publishRows(
  session: Session,
  work: Work,
  kept: { readonly rejected: number; readonly leftOut: number },
  childStages: readonly ChildStage[],
): Promise<RetryResult> {
  const { options, publication, target, stage, there } = work;
  const nested = nestedColumns(options.resource.children);
  const columns = work.columns.filter(({ name }) => !nested.has(name));
  const { resource, loadId, runId, corrected } = options;
  const current = await publishedVersion(session, publication);
  const together = await loadsTogether(session, options, current);
  const now = new Map([...there, ...columns.map(({ name, type }) => [name, type] as const)]);
  const typesChanged = changedTypes(there, now);
  for (const { column, from, to } of typesChanged)
    await changeType(session, resource, target, { name: column, from, to });
  const settled = await settleDuplicates(session, { resource, target, stage, together });
  const taken = await takeFromQuarantine(session, loadId, stage, settled);
  const names = columns.map(({ name }) => name);
  const stages = [{ table: stage, names, loadId }];
  await joinRows(session, { resource, target, columns: now, stages, batch: [] });
  // Of its own load the key was looked for above.
  await refuseRepeatedKey(session, { resource, target, columns: now, lines: [], stages, isNew: false });
  await session.execute(`DROP TABLE ${qualified(stage.schema, stage.name)}`);
  await joinChildStages(session, loadId, childStages);
  const children = await joinChildRows(
    session,
    { resource, schemas: options.schemas, target, columns: now },
    childStages,
  );
  const rows = await countRows(session, target);
  const result = {
    ...(children.length > 0 && { children }),
    accepted: taken.accepted,
    rejected: kept.rejected + settled.keyless.length,
    duplicate: taken.duplicate,
    displaced: settled.displaced,
    leftOut: kept.leftOut,
    rows,
    version: publication.version + 1,
  };
  const changed = await session.execute(
    `UPDATE plumbline.loads SET rows_loaded = rows_loaded + $2, rows_duplicate = rows_duplicate + $3, rows_rejected = rows_rejected - $2 - $3
     WHERE load_id = $1 AND status = 'published'`,
    [loadId, result.accepted, result.duplicate],
  );
  if (changed !== 1) throw new LoadFencedError(`Retry of load ${loadId}`, { loadId });
  await session.execute(
    `INSERT INTO plumbline.reject_retries (load_id, run_id, file_sha256, rows_accepted, rows_rejected, rows_duplicate, rows_displaced, rows_left_out)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      loadId,
      runId,
      corrected?.sha256 ?? null,
      result.accepted,
      result.rejected,
      result.duplicate,
      result.displaced,
      result.leftOut,
    ],
  );
  await markPublished(session, publication, {
    runId,
    write: resource.write,
    table: target,
    loadIds: resource.write === 'replace' ? [...together] : [loadId],
    stagedIds: [],
    displacedIds: [],
    columns: [...now].map(([name, type]) => ({ name, type, header: name })),
    columnsAdded: [],
    typesChanged,
    rows,
  });
  return result;
}

/** Loads among whose rows a key occurs once, in their order: all of a table that is made anew, and what an API answered for the same interval. */
async function loadsTogether(
  session: Session,
  { resource, loadId }: RetryOptions,
  current: PublishedVersion | undefined,
): Promise<readonly string[]> {
  if (resource.write === 'replace') return current?.loadIds ?? [loadId];
  if (resource.type !== 'http' || resource.write !== 'append') return [loadId];
  const loads = await session.query<{ loadId: string }>(
    `SELECT l.load_id AS "loadId" FROM plumbline.loads AS own JOIN plumbline.loads AS l USING (env, project, resource)
     WHERE own.load_id = $1 AND l.status = 'published' AND regexp_replace(l.path, '[0-9]+$', '') = regexp_replace(own.path, '[0-9]+$', '')
     ORDER BY substring(l.path FROM '[0-9]+$')::bigint`,
    [loadId],
  );
  return loads.map((load) => load.loadId);
}

/** Columns that only elements of retried rows have are columns of the load from now on: a table that is built anew keeps them. */
async function joinChildStages(session: Session, loadId: string, stages: readonly ChildStage[]): Promise<void> {
  if (stages.length === 0) return;
  const line = (await loadsById(session, [loadId]))[0];
  const children = (line?.reader?.children ?? []).map((child): ChildStage => {
    const joined = stages.find(({ target }) => target === child.target);
    const more = (joined?.columns ?? []).filter(({ name }) => !child.columns.some((column) => column.name === name));
    return { ...child, columns: [...child.columns, ...more], rows: child.rows + (joined?.rows ?? 0) };
  });
  await session.execute(
    `UPDATE plumbline.loads SET reader = jsonb_set(reader, '{children}', $2::jsonb) WHERE load_id = $1`,
    [loadId, JSON.stringify(children)],
  );
}

async function earlierAttempt(
  session: Session,
  { loadId, runId, resource, schemas }: RetryOptions,
  publication: Publication,
): Promise<RetryResult | undefined> {
  const [done] = await session.query<Omit<RetryResult, 'rows' | 'version'>>(
    `SELECT rows_accepted::float8 AS accepted, rows_rejected::float8 AS rejected, rows_duplicate::float8 AS duplicate,
       rows_displaced::float8 AS displaced, rows_left_out::float8 AS "leftOut"
     FROM plumbline.reject_retries WHERE load_id = $1 AND run_id = $2`,
    [loadId, runId],
  );
  if (done === undefined) return undefined;
  const current = await publishedVersion(session, publication);
  const children = await countChildRows(session, { resource, schemas });
  const counts = { rows: current?.rows ?? 0, ...(children.length > 0 && { children }) };
  return { ...done, ...counts, version: publication.version };
}

async function publishedLoad(session: Session, options: RetryOptions): Promise<LedgerLine> {
  const { loadId, resource } = options;
  const line = (await loadsById(session, [loadId]))[0];
  const [owner] = await session.query(
    'SELECT 1 FROM plumbline.loads WHERE load_id = $1 AND env = $2 AND project = $3 AND resource = $4',
    [loadId, options.env, options.project, resource.id],
  );
  if (line === undefined || owner === undefined)
    throw refused(options, `${resource.id} has no such load`, 'See `plumbline loads list`.');
  const known = new Set(line.reader?.children?.map(({ target }) => target));
  const unknown = childTables(resource).find(({ table }) => !known.has(table));
  if (line.status === 'published' && unknown !== undefined)
    throw refused(
      options,
      `it was loaded before ${unknown.path} had the child table ${unknown.table}`,
      'Load it anew with `plumbline run`, which brings its elements there.',
    );
  if (line.status === 'published' && line.reader !== null) return line;
  const next =
    line.status === 'failed'
      ? 'Correct the file or the types and run again: nothing of it is in the table.'
      : 'See `plumbline loads list` for the load that took its place.';
  throw refused(options, `it is ${line.status}, expected published`, next);
}

function refused({ loadId, resource }: RetryOptions, why: string, next: string): TerminalError {
  return new TerminalError('ELT_RETRY_LOAD', `Retrying the rejected rows of load ${loadId} failed: ${why}.`, {
    at: resource.at,
    details: { loadId },
    next,
  });
}

/** The load's columns with the types that plumbline.yaml declares now, else the table's. */
function typesNow(
  { resource }: RetryOptions,
  { reader }: LedgerLine,
  there: ReadonlyMap<string, ColumnType>,
): LoadColumn[] {
  return (reader?.columns ?? []).map((column) => ({
    ...column,
    type: resource.columns[column.name] ?? there.get(column.name) ?? column.type,
  }));
}

/** Lends the corrected file, or one of the rows as they were kept. */
async function withCorrected<T>(
  session: Session,
  { corrected, loadId }: RetryOptions,
  columns: readonly LoadColumn[],
  work: (corrected: CorrectedFile) => Promise<T>,
): Promise<T> {
  if (corrected !== undefined) return work(corrected);
  const rows = await session.query<QuarantinedRow>(
    `SELECT row_number::float8 AS row, line::float8 AS line, column_name AS "column", value, reason, raw
     FROM plumbline.rejects WHERE load_id = $1 AND kind = 'rejected' ORDER BY row_number`,
    [loadId],
  );
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-retry-'));
  try {
    const path = join(folder, 'rows.csv');
    const written = await writeKeptRows(path, rows, columns);
    if (written > 0) return await work({ path, file: `the rejected rows of load ${loadId}` });
    throw new TerminalError(
      'ELT_RETRY_LOAD',
      `Retrying the rejected rows of load ${loadId} failed: none of its ${rows.length} can be read again from what was kept.`,
      {
        details: { loadId },
        next: `Correct them: \`plumbline rejects list --load ${loadId} --csv > fixed.csv\`, then \`plumbline rejects retry --load ${loadId} --file fixed.csv\`.`,
      },
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

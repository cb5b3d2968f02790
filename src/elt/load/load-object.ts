import type { DuckDBConnection } from '@duckdb/node-api';
import { TerminalError } from '../../errors.js';
import type { ArtifactStore } from '../../model/artifact.js';
import { cancelOnAbort } from '../../model/cancel-on-abort.js';
import type { Session } from '../../model/database.js';
import { ensureSchema } from '../../model/ensure-schema.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { withSource } from '../read/open-source.js';
import { planColumns } from '../read/plan-columns.js';
import { readAhead } from '../read/read-ahead.js';
import { readChunks } from '../read/read-chunks.js';
import type { RowChunk } from '../read/row-chunk.js';
import type { RowFault } from '../read/row-fault.js';
import type { RowSource } from '../read/row-source.js';
import { selectColumns } from '../read/select-columns.js';
import { contractOf, heedsTable } from '../schema/contract.js';
import { tableColumns } from '../schema/table-columns.js';
import { streamResource } from '../singer/stream-facts.js';
import { assertKey } from './assert-key.js';
import { claimLoad, type Claim, type ClaimOptions } from './claim-load.js';
import { commitChunk } from './commit-chunk.js';
import { failLoad, finishLoad } from './finish-load.js';
import { giveUpLoad, READER_VERSION, releaseWriter, type LedgerLine, type Reader } from './ledger.js';
import { LoadFencedError } from './load-fenced-error.js';
import { resultOf, type LoadProgress, type LoadResult } from './load-result.js';
import { objectParts } from './object-parts.js';
import { RefusedRow } from './refused-row.js';
import { createStage, stageName } from './stage-table.js';

export interface LoadOptions extends ClaimOptions {
  readonly store: ArtifactStore;
  /** Types that its source states of its columns; declared ones and those of the table go before. */
  readonly stated?: ReadonlyMap<string, ColumnType>;
  /** The project's code, unpacked; needed for a resource with a parser. */
  readonly code?: string;
  /** Rows a transaction. @default 50000 */
  readonly chunkRows?: number;
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Takes what a parser prints, line by line, as it may be shown. */
  readonly onLog?: (line: string) => void;
}

/**
 * Brings one object's rows into a stage table, chunk by chunk; readers see nothing of it before `publishResource`.
 * Idempotent by (env, project, resource, path and content): another attempt goes on behind the last committed chunk,
 * and takes over from an attempt that still runs or is frozen.
 *
 * Terminal: `ELT_TOO_MANY_REJECTS`, `ELT_COLUMN_…`, `ELT_FILE_…`, `ELT_GZIP_BROKEN`, `ELT_ROW_COUNT`. Transient, a retry
 * goes on: `ELT_LOAD_FENCED`, `ELT_WRITER_STUCK`, PostgreSQL's own.
 */
export async function loadObject(options: LoadOptions): Promise<LoadResult> {
  assertKey(options.resource);
  await ensureSchema(options.database, options.schemas.stage);
  const refused = new Map<number, RowFault>();
  for (;;) {
    try {
      return await attempt(options, refused);
    } catch (error) {
      // PostgreSQL has the last word on a value: its row is quarantined and the chunk written again.
      if (!(error instanceof RefusedRow)) throw error;
      if (refused.size === MAX_REFUSED) throw error.cause;
      refused.set(error.fault.row, error.fault);
    }
  }
}

// Each costs a new reading of the file; a reader that lets more than these through is wrong.
const MAX_REFUSED = 1_000;

async function attempt(options: LoadOptions, refused: ReadonlyMap<number, RowFault>): Promise<LoadResult> {
  const { database, store, object, resource, signal } = options;
  let claim: Claim | undefined;
  try {
    return await database.session(async (session) => {
      claim = await claimLoad(session, options);
      const { line } = claim;
      if (claim.done) return resultOf(options, line, line.nextRow);
      const parts = await objectParts(store, resource, object);
      const existing = await existingColumns(session, options);
      // A table that is made anew with the file's own types says nothing about how values are written.
      const isOwn = resource.write === 'replace' && contractOf(resource).types === 'evolve';
      const types = (isOwn ? undefined : existing) ?? new Map<string, ColumnType>();
      const { stated, code, onLog } = options;
      const file = { ...parts, file: object.path, resource, existing: types, stated, code, signal, onLog };
      return withSource(file, (duckdb, source) => {
        const known = { ...options, resource: streamResource(resource, [source.stream]) };
        return load({ options: known, session, line, duckdb, source, refused, existing, token: line.token });
      });
    });
  } catch (error) {
    // What is cancelled, or only went wrong for now, goes on where it is.
    if (error instanceof TerminalError && claim?.done === false && signal?.aborted !== true)
      await giveUpLoad(database, claim.line.loadId, claim.line.token, error).catch(() => {});
    throw error;
  } finally {
    const held = claim;
    // Where PostgreSQL is gone, so is the connection that the ledger names.
    if (held !== undefined && !held.done)
      await releaseWriter(database, held.line.loadId, held.line.token).catch(() => {});
  }
}

interface Work {
  readonly options: LoadOptions;
  readonly session: Session;
  readonly line: LedgerLine;
  readonly token: string;
  readonly duckdb: DuckDBConnection;
  readonly source: RowSource;
  readonly refused: ReadonlyMap<number, RowFault>;
  /** Columns of the published table, as far as they matter; undefined when there is none. */
  readonly existing: ReadonlyMap<string, ColumnType> | undefined;
}

async function load(work: Work): Promise<LoadResult> {
  const { options, session, line, token, duckdb, source } = work;
  const { resource, object, schemas, signal } = options;
  const reader = line.reader ?? (await startStage(work));
  const stage = stageName(schemas.stage, line.loadId);
  await assertSameRows(work, reader);
  const context = { options, session, loadId: line.loadId, token, stage, source };
  let chunkNumber = line.nextChunk;
  let rejected = line.rowsRejected;
  let discarded = line.discarded;
  const { columns: mode, types } = contractOf(resource);
  const unwanted = reader.unwanted ?? [];
  const chunks = readChunks(duckdb, inOrder(source, reader), reader.columns, {
    file: object.path,
    fromRow: line.nextRow,
    maxRows: options.chunkRows ?? 50_000,
    refused: work.refused,
    types,
    ...(unwanted.length > 0 && {
      unwanted: { names: unwanted, mode: mode === 'discard_row' ? mode : 'discard_value' },
    }),
    signal,
  });
  for await (const chunk of readAhead(chunks)) {
    discarded = sumOf(discarded, chunk.discarded);
    const target = {
      loadId: line.loadId,
      token,
      chunkNumber,
      stage,
      columns: reader.columns,
      file: object.path,
      discarded,
    };
    await commitChunk(session, chunk, target, signal);
    chunkNumber++;
    rejected += chunk.faults.length;
    options.onProgress?.({ rowsRead: chunk.nextRow - 1, rowsTotal: source.rows, rowsRejected: rejected });
    if (rejected > resource.maxRejectedShare * source.rows) throw await failLoad(context, rejected);
  }
  const finished = await cancelOnAbort(options.database, session, signal, () => finishLoad(context, reader.columns));
  return resultOf(options, { ...finished, reader }, line.nextRow);
}

/** Columns that a file must have. A key of JSON that no row has may come with a later file. */
function keyColumns({ primaryKey, merge }: ResourceConfig, source: RowSource): { key: string; setting: string }[] {
  const marker = merge?.hardDelete === undefined || source.dialect['format'] === 'ndjson' ? [] : [merge.hardDelete];
  return [
    ...primaryKey.map((key) => ({ key, setting: 'primary_key' })),
    ...(merge?.key ?? []).map((key) => ({ key, setting: 'merge.key' })),
    ...marker.map((key) => ({ key, setting: 'merge.hard_delete' })),
  ];
}

/** The file's columns that go into the table, then those that do not. */
function inOrder(source: RowSource, { columns, unwanted = [] }: Reader): RowSource {
  if (unwanted.length === 0) return source;
  const wanted = columns.map(({ header }) => source.headers.indexOf(header));
  return selectColumns(
    source,
    [...wanted, ...source.headers.keys()].filter((one, at, all) => all.indexOf(one) === at),
  );
}

function sumOf(before: Readonly<Record<string, number>>, added: RowChunk['discarded']): Record<string, number> {
  const sum = { ...before };
  for (const [name, values] of added) sum[name] = (sum[name] ?? 0) + values;
  return sum;
}

/** `next_row` counts the rows that the parser gave the first time; with others the load is marked as failed, and a new run begins it anew. */
async function assertSameRows({ options, session, line, token, source }: Work, reader: Reader): Promise<void> {
  const { resource, object } = options;
  if (resource.parse === undefined || reader.dialect['rows'] === source.dialect['rows']) return;
  const error = new TerminalError(
    'ELT_PARSER_UNSTABLE',
    `Going on with ${object.path} of ${resource.id} failed: ${resource.parse.file} gave other rows for the same bytes than before.`,
    {
      at: { file: resource.parse.file },
      details: { loadId: line.loadId },
      next: 'Let it depend on nothing but its object: no clock, no chance, no network. Then run again.',
    },
  );
  await session.execute(
    `UPDATE plumbline.loads SET status = 'failed', error = $3 WHERE load_id = $1 AND token = $2 AND status = 'loading'`,
    [line.loadId, token, JSON.stringify({ code: error.code, message: error.message })],
  );
  throw error;
}

/** Plans the columns and makes the empty stage, in one transaction that only the load's writer can commit. */
async function startStage({ options, session, line, token, duckdb, source, existing }: Work): Promise<Reader> {
  const { resource, object, schemas } = options;
  const contract = contractOf(resource);
  if (existing === undefined && contract.tables === 'freeze') throw tableMissing(options);
  const plan = await planColumns(duckdb, source, {
    file: object.path,
    declared: resource.columns,
    existing,
    contract,
    isMadeAnew: resource.write === 'replace',
    tolerance: resource.maxRejectedShare,
    at: resource.at,
  });
  for (const { key, setting } of keyColumns(resource, source))
    if (!plan.columns.some(({ name }) => name === key))
      throw new TerminalError(
        'ELT_COLUMN_UNKNOWN',
        `Loading ${object.path} failed: \`${setting}\` names column ${JSON.stringify(key)}, but the file has no such column; it has ${plan.columns.map(({ name }) => JSON.stringify(name)).join(', ')}.`,
        { at: resource.at, details: { column: key }, next: `Correct \`${setting}\`.` },
      );
  const stream = source.stream === undefined ? {} : { stream: source.stream };
  const reader: Reader = { version: READER_VERSION, rows: source.rows, dialect: source.dialect, ...plan, ...stream };
  await session.transaction(async () => {
    const stage = stageName(schemas.stage, line.loadId);
    const changed = await session.execute(
      `UPDATE plumbline.loads SET reader = $3, stage_table = $4 WHERE load_id = $1 AND token = $2 AND next_chunk = 0 AND status = 'loading'`,
      [line.loadId, token, JSON.stringify(reader), stage.name],
    );
    if (changed !== 1) throw new LoadFencedError(`Load ${line.loadId} of ${object.path}`, { loadId: line.loadId });
    await createStage(session, stage, line.loadId, plan.columns);
  });
  return reader;
}

/** Rows are added to the table as it is; `replace` makes it anew from the file alone and a stream's schema widens it, unless the contract says otherwise. */
async function existingColumns(
  session: Session,
  { resource, schemas }: LoadOptions,
): Promise<ReadonlyMap<string, ColumnType> | undefined> {
  const isOwn = !heedsTable(resource) || (resource.singer !== undefined && resource.contract === undefined);
  return isOwn ? undefined : tableColumns(session, schemas.raw, resource.table);
}

function tableMissing({ object, resource, schemas }: LoadOptions): TerminalError {
  return new TerminalError(
    'ELT_CONTRACT',
    `Loading ${object.path} failed: there is no table ${schemas.raw}.${resource.table}, and \`contract.tables\` is freeze.`,
    {
      at: resource.at,
      next: 'Correct the name of the source, or set `contract: {tables: evolve}` for the first load.',
    },
  );
}

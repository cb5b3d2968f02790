import { TerminalError } from '../../errors.js';
import type { ArtifactStore } from '../../model/artifact.js';
import { cancelOnAbort } from '../../model/cancel-on-abort.js';
import type { Session } from '../../model/database.js';
import { ensureSchema } from '../../model/ensure-schema.js';
import { jsonb } from '../../model/jsonb.js';
import type { ColumnType } from '../../model/project.js';
import { countedProfile } from '../anomaly/counted-profile.js';
import type { Profile } from '../anomaly/find-anomalies.js';
import { countTakenOut } from '../forget/count-taken-out.js';
import type { OpenDuckDB } from '../read/duckdb.js';
import { withSource } from '../read/open-source.js';
import { readAhead } from '../read/read-ahead.js';
import type { CopyFormat, RowChunk } from '../read/row-chunk.js';
import type { RowFault } from '../read/row-fault.js';
import type { RowSource } from '../read/row-source.js';
import { streamResource } from '../singer/stream-facts.js';
import { assertKey } from './assert-key.js';
import { claimLoad, type Claim, type ClaimOptions } from './claim-load.js';
import { commitChunk } from './commit-chunk.js';
import { failLoad } from './fail-load.js';
import { finishLoad } from './finish-load.js';
import { giveUpLoad, releaseWriters, type LedgerLine, type Reader } from './ledger.js';
import { CHUNK_ROWS, FIRST_CHUNK_ROWS, loadChunks } from './load-chunks.js';
import { LoadFencedError } from './load-fenced-error.js';
import { resultOf, type LoadProgress, type LoadResult } from './load-result.js';
import { mostRejected } from './most-rejected.js';
import { objectParts } from './object-parts.js';
import { existingColumns, planReader, readTypes } from './plan-reader.js';
import { RefusedBinary, RefusedRow } from './refused-row.js';
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
  let format: CopyFormat = 'binary';
  for (;;) {
    try {
      return await attempt(options, refused, format);
    } catch (error) {
      if (error instanceof RefusedBinary) {
        format = 'text';
        continue;
      }
      // PostgreSQL has the last word on a value: its row is quarantined and the chunk written again.
      if (!(error instanceof RefusedRow)) throw error;
      if (refused.size === MAX_REFUSED) throw error.cause;
      refused.set(error.fault.row, error.fault);
    }
  }
}

// Each costs a new reading of the file; a reader that lets more than these through is wrong.
const MAX_REFUSED = 1_000;

async function attempt(
  options: LoadOptions,
  refused: ReadonlyMap<number, RowFault>,
  format: CopyFormat,
): Promise<LoadResult> {
  const { database, store, object, resource, signal } = options;
  let claim: Claim | undefined;
  try {
    return await database.session(async (session) => {
      claim = await claimLoad(session, options);
      const { line } = claim;
      if (claim.done) return resultOf(options, line, line.nextRow);
      const parts = await objectParts(store, resource, object);
      const rowsTakenOut = (await countTakenOut(session, options, [object.sha256])).get(object.sha256) ?? 0;
      const existing = await existingColumns(session, options);
      const { stated, code, onLog } = options;
      const types = readTypes(resource, existing);
      const file = { ...parts, file: object.path, resource, existing: types, stated, code, signal, onLog };
      return withSource(file, (duckdb, source) => {
        const known = { ...options, resource: streamResource(resource, [source.stream]) };
        return load({
          options: known,
          session,
          line,
          duckdb,
          source,
          rowsTakenOut,
          refused,
          format,
          existing,
          token: line.token,
        });
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
    if (held !== undefined && !held.done) await releaseWriters(database, [held.line]).catch(() => {});
  }
}

interface Work {
  readonly options: LoadOptions;
  readonly session: Session;
  readonly line: LedgerLine;
  readonly token: string;
  readonly duckdb: OpenDuckDB;
  readonly source: RowSource;
  /** Of forgotten keys, before the source was read. */
  readonly rowsTakenOut: number;
  readonly refused: ReadonlyMap<number, RowFault>;
  readonly format: CopyFormat;
  /** Columns of the published table, as far as they matter; undefined when there is none. */
  readonly existing: ReadonlyMap<string, ColumnType> | undefined;
}

async function load(work: Work): Promise<LoadResult> {
  const { options, session, line, token, duckdb, source } = work;
  const { resource, object, schemas, signal } = options;
  const reader = line.reader ?? (await startStage(work));
  const stage = stageName(schemas.stage, line.loadId);
  await assertSameRows(work, reader);
  const { rowsTakenOut } = work;
  const { chunkRows } = options;
  const context = { options, session, loadId: line.loadId, token, stage, source, rowsTakenOut, duckdb, chunkRows };
  let chunkNumber = line.nextChunk;
  let rejected = line.rowsRejected;
  let discarded = line.discarded;
  // An earlier attempt's rows were counted there, if at all.
  const isWhole = line.nextRow === 1;
  let nulls = isWhole ? reader.columns.map(() => 0) : undefined;
  let rowsCopied = 0;
  const chunks = loadChunks(duckdb, source, reader, resource, {
    file: object.path,
    fromRow: line.nextRow,
    maxRows: chunkRows ?? CHUNK_ROWS,
    firstRows: chunkRows ?? FIRST_CHUNK_ROWS,
    format: work.format,
    refused: work.refused,
    signal,
  });
  for await (const chunk of source.rows === 0 ? [] : readAhead(chunks)) {
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
    rowsCopied += await commitChunk(session, chunk, target, signal);
    chunkNumber++;
    nulls = chunk.nulls && nulls?.map((sum, index) => sum + chunk.nulls![index]!);
    rejected += chunk.faults.length;
    options.onProgress?.({ rowsRead: chunk.nextRow - 1, rowsTotal: source.rows, rowsRejected: rejected });
    if (rejected > mostRejected(resource, source.rows)) throw await failLoad(context, rejected);
  }
  const withoutNulls = new Set(reader.columns.flatMap(({ name }, index) => (nulls?.[index] === 0 ? [name] : [])));
  const finished = await cancelOnAbort(options.database, session, signal, () =>
    finishLoad({ ...context, withoutNulls, ...(isWhole && { rowsCopied }) }, reader.columns, async () => {
      if (nulls !== undefined && resource.children === undefined)
        await keepProfile(session, line.loadId, countedProfile(reader.columns, source.rows, nulls));
    }),
  );
  return resultOf(options, finished, line.nextRow);
}

/** What the publication compares with earlier ones: it need not read the rows again where none was left out. */
async function keepProfile(session: Session, loadId: string, profile: Profile): Promise<void> {
  await session.execute(`UPDATE plumbline.loads SET reader = reader || $2::jsonb WHERE load_id = $1`, [
    loadId,
    JSON.stringify({ profile }),
  ]);
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
    [line.loadId, token, jsonb({ code: error.code, message: error.message })],
  );
  throw error;
}

/** Plans the columns and makes the empty stage, in one transaction that only the load's writer can commit. */
async function startStage({ options, session, line, token, duckdb, source, existing }: Work): Promise<Reader> {
  const { object, schemas } = options;
  const reader = await planReader({ ...options, existing }, duckdb, source);
  await session.transaction(async () => {
    const stage = stageName(schemas.stage, line.loadId);
    const changed = await session.execute(
      `UPDATE plumbline.loads SET reader = $3, stage_table = $4 WHERE load_id = $1 AND token = $2 AND next_chunk = 0 AND status = 'loading'`,
      [line.loadId, token, JSON.stringify(reader), stage.name],
    );
    if (changed !== 1) throw new LoadFencedError(`Load ${line.loadId} of ${object.path}`, { loadId: line.loadId });
    await createStage(session, stage, line.loadId, reader.columns);
  });
  return reader;
}

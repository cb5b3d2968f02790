import { createHash } from 'node:crypto';
import { cancelOnAbort } from '../../model/cancel-on-abort.js';
import type { Database, Session } from '../../model/database.js';
import { ensureSchema } from '../../model/ensure-schema.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { countedProfile } from '../anomaly/counted-profile.js';
import { assertKey } from '../load/assert-key.js';
import { beginAnew, claimLoad, type Claim, type ClaimOptions } from '../load/claim-load.js';
import { finishLoad } from '../load/finish-load.js';
import { READER_VERSION, releaseWriters, type LedgerLine, type Reader } from '../load/ledger.js';
import { LoadFencedError } from '../load/load-fenced-error.js';
import { resultOf, type ExtractedObject, type LoadResult } from '../load/load-result.js';
import { completeStage, createNumberedStage, stageName } from '../load/stage-table.js';
import { tableColumns } from '../schema/table-columns.js';
import { askedRows } from './asked-rows.js';
import { copyKeys } from './copy-keys.js';
import { countWithoutCursor, type CursorRange } from './cursor-range.js';
import { describeSource, relationOf, type SourceDescription } from './describe-source.js';
import { findRelation } from './find-relation.js';
import { heedContract } from './heed-contract.js';
import { readPieces } from './read-pieces.js';
import { inSourceSnapshot, sourcePosition } from './source-session.js';

/** What is read of a source. Plain JSON. */
export interface SourceObject extends ExtractedObject, CursorRange {
  /** The line of plumbline.extracts. */
  readonly extractId: string;
}

export interface PostgresLoadOptions extends ClaimOptions {
  readonly object: SourceObject;
  readonly source: Database;
  /** The source in messages. */
  readonly sourceName: string;
  readonly onProgress?: (progress: {
    readonly rows: number;
    readonly bytes: number;
    readonly rejected: number;
  }) => void;
  /** Takes what is to be said of how it went, line by line. */
  readonly onLog?: (line: string) => void;
}

/**
 * Brings the rows of a source's table or query into a stage table, piece by piece, straight from COPY to COPY; rows that its contract
 * does not let through are quarantined. All of them are read under one snapshot of the source, however many connections read. Readers see nothing before `publishResource`.
 *
 * Idempotent by (env, project, resource, what was asked). The snapshot ends with its connection: another attempt takes
 * a new one, goes on behind the committed pieces when both see the same rows (`sourcePosition`), and begins anew else.
 *
 * Terminal: `ELT_PG_…`, `ELT_COLUMN_…`, `ELT_TOO_MANY_REJECTS`. Transient: `ELT_PG_UNREACHABLE`, `ELT_PG_BUSY`,
 * `ELT_LOAD_FENCED`, `ELT_WRITER_STUCK`, the warehouse's own.
 */
export async function loadPostgres(options: PostgresLoadOptions): Promise<LoadResult> {
  const { database, schemas } = options;
  assertKey(options.resource);
  await ensureSchema(database, schemas.stage);
  let claim: Claim | undefined;
  try {
    return await database.session(async (session) => {
      claim = await claimLoad(session, options);
      const { line, fromRow } = claim.done
        ? { line: claim.line, fromRow: claim.line.nextRow }
        : await load(options, session, claim.line);
      // Also of a load that an earlier run has staged: each extract says it.
      await session.execute('UPDATE plumbline.extracts SET cursor_missing = $2 WHERE extract_id = $1', [
        options.object.extractId,
        line.reader?.dialect['withoutCursor'] ?? 0,
      ]);
      return resultOf(options, line, fromRow);
    });
  } finally {
    // Where PostgreSQL is gone, so is the connection that the ledger names.
    if (claim?.done === false) await releaseWriters(database, [claim.line]).catch(() => {});
  }
}

async function load(
  options: PostgresLoadOptions,
  session: Session,
  claimed: LedgerLine,
): Promise<{ readonly line: LedgerLine; readonly fromRow: number }> {
  const { source, resource, signal } = options;
  const relation = relationOf(resource);
  const found = relation === undefined ? undefined : await findRelation(source, resource, options.sourceName);
  const lock = found !== undefined && LOCKABLE.has(found.kind) ? { lock: relation! } : {};
  const at = { schema: resource.postgres!.schema, ...lock };
  // The source is let go before the stage is checked.
  const { line, description, rowsCopied } = await source.session((reader) =>
    cancelOnAbort(source, reader, signal, () =>
      inSourceSnapshot(reader, at, async () => {
        const existing = resource.contract && (await tableColumns(session, options.schemas.raw, resource.table));
        const described = heedContract(await describeSource(reader, resource, found), resource, existing);
        const position = described.isStable ? await sourcePosition(reader) : undefined;
        const begun = await goOnOrBegin(options, session, claimed, described, position);
        const rowsCopied = await readPieces({ options, session, reader, at, line: begun, description: described });
        if (resource.postgres!.reconciles === true)
          await copyKeys(reader, session, described, keysTarget(options, begun), signal);
        await countUnwanted(options, session, reader, begun, described);
        return { line: begun, description: described, rowsCopied };
      }),
    ),
  );
  return { line: await finish(options, session, line, description, rowsCopied), fromRow: line.nextRow };
}

function keysTarget({ schemas, resource, object: { to } }: PostgresLoadOptions, { loadId, token }: LedgerLine) {
  const { primaryKey, cursor } = resource;
  const range = { ...(cursor?.initial !== undefined && { from: cursor.initial }), ...(to !== undefined && { to }) };
  return { loadId, token, stage: stageName(schemas.stage, loadId), primaryKey, range };
}

/** Values of columns that the contract leaves out, which are not read. */
async function countUnwanted(
  { object }: PostgresLoadOptions,
  session: Session,
  reader: Session,
  { loadId, token }: LedgerLine,
  description: SourceDescription,
): Promise<void> {
  const { unwanted = [], from } = description;
  if (unwanted.length === 0) return;
  const counts = unwanted.map(({ value }, index) => `count(${value})::float8 AS c${index}`).join(', ');
  const [counted] = await reader.query<Record<string, number>>(
    `SELECT ${counts} FROM ${from} WHERE ${askedRows(description, object)}`,
  );
  const dropped = unwanted.flatMap(({ name }, index) => {
    const values = counted?.[`c${index}`] ?? 0;
    return values === 0 ? [] : [[name, values] as const];
  });
  await session.execute(
    `UPDATE plumbline.loads SET discarded = discarded || $3::jsonb WHERE load_id = $1 AND token = $2 AND status = 'loading'`,
    [loadId, token, JSON.stringify(Object.fromEntries(dropped))],
  );
}

// LOCK TABLE takes no materialized view and no foreign table.
const LOCKABLE: ReadonlySet<string> = new Set(['r', 'p', 'v']);

/** The line as far as it holds under this snapshot, with its stage. */
async function goOnOrBegin(
  options: PostgresLoadOptions,
  session: Session,
  claimed: LedgerLine,
  { columns, blocks, notices }: SourceDescription,
  position: string | undefined,
): Promise<LedgerLine> {
  const former = claimed.reader?.dialect;
  const isSame = former !== undefined && position !== undefined && former['position'] === position;
  // The contract goes by the table, which another load may have changed since.
  if (isSame && isAlike(claimed.reader!.columns, columns)) return claimed;
  const { token, loadId } = claimed;
  const line = former === undefined ? claimed : (await beginAnew(session, [claimed], claimed.settings))[0]!;
  const reader: Reader = {
    version: READER_VERSION,
    rows: 0,
    dialect: { ...(position !== undefined && { position }), ...(blocks !== undefined && { blocks }) },
    columns,
    notices,
  };
  const stage = stageName(options.schemas.stage, loadId);
  await session.transaction(async () => {
    const changed = await session.execute(
      `UPDATE plumbline.loads SET reader = $3, stage_table = $4 WHERE load_id = $1 AND token = $2 AND next_chunk = 0 AND status = 'loading'`,
      [loadId, token, JSON.stringify(reader), stage.name],
    );
    if (changed !== 1) throw new LoadFencedError(`Load ${loadId} of ${options.object.path}`, { loadId });
    await session.execute('DELETE FROM plumbline.load_pieces WHERE load_id = $1', [loadId]);
    await createNumberedStage(session, stage, columns);
  });
  return { ...line, reader };
}

function isAlike(one: SourceDescription['columns'], other: SourceDescription['columns']): boolean {
  const text = (columns: SourceDescription['columns']): string =>
    JSON.stringify(columns.map(({ name, type }) => [name, type]));
  return text(one) === text(other);
}

/** Checks the stage, names the load's content and completes the loader's columns, in one transaction. */
async function finish(
  options: PostgresLoadOptions,
  session: Session,
  { loadId, token }: LedgerLine,
  { columns, keyIsProven, cursor }: SourceDescription,
  rowsCopied: number | undefined,
): Promise<LedgerLine> {
  const { database, resource, signal } = options;
  const stage = stageName(options.schemas.stage, loadId);
  const [counted] = await session.query<{ rows: number }>(
    'SELECT coalesce(sum(row_count), 0)::float8 AS rows FROM plumbline.load_pieces WHERE load_id = $1',
    [loadId],
  );
  const { rows } = counted!;
  const source = { rows, lineOf: () => null };
  const context = { options, session, loadId, token, stage, source, keyIsProven, rowsCopied };
  return cancelOnAbort(database, session, signal, () =>
    finishLoad(context, columns, async () => {
      const pieces = await session.query<{ sha256: string; nulls: number[] | null }>(
        'SELECT sha256, nulls::float8[] AS nulls FROM plumbline.load_pieces WHERE load_id = $1 AND row_count > 0 ORDER BY piece',
        [loadId],
      );
      await session.execute(
        `UPDATE plumbline.loads SET sha256 = $3, reader = reader || coalesce($4::jsonb, '{}') WHERE load_id = $1 AND token = $2`,
        [
          loadId,
          token,
          contentHash(columns, pieces),
          resource.children === undefined ? profileOf(columns, rows, pieces) : null,
        ],
      );
      await session.execute('DELETE FROM plumbline.load_pieces WHERE load_id = $1', [loadId]);
      await completeStage(session, stage, loadId);
      if (cursor === undefined) return;
      const table = qualified(stage.schema, stage.name);
      const without = await countWithoutCursor(session, table, identifier(resource.cursor!.field), cursor);
      await session.execute(
        `UPDATE plumbline.loads SET reader = jsonb_set(reader, '{dialect,withoutCursor}', to_jsonb($2::bigint)) WHERE load_id = $1`,
        [loadId, without],
      );
    }),
  );
}

/** Of the rows as they were read: `{"profile": …}`; null of pieces that were read before NULLs were counted. */
function profileOf(
  columns: SourceDescription['columns'],
  rows: number,
  pieces: readonly { readonly nulls: readonly number[] | null }[],
): string | null {
  if (pieces.some(({ nulls }) => nulls === null)) return null;
  const counted = columns.map((_, index) => pieces.reduce((sum, { nulls }) => sum + nulls![index]!, 0));
  return JSON.stringify({ profile: countedProfile(columns, rows, counted) });
}

/** Names the rows and their columns; the same bytes in the same order give the same. */
function contentHash(columns: SourceDescription['columns'], pieces: readonly { readonly sha256: string }[]): string {
  const hash = createHash('sha256').update(JSON.stringify(columns.map(({ name, type }) => [name, type])));
  for (const { sha256 } of pieces) hash.update(sha256);
  return hash.digest('hex');
}

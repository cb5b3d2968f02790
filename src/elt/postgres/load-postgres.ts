import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { cancelOnAbort } from '../../model/cancel-on-abort.js';
import type { Database, Session } from '../../model/database.js';
import { ensureSchema } from '../../model/ensure-schema.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { countedProfile } from '../anomaly/counted-profile.js';
import { assertKey } from '../load/assert-key.js';
import { beginAnew, claimLoad, type Claim, type ClaimOptions } from '../load/claim-load.js';
import { failLoad } from '../load/fail-load.js';
import { finishLoad } from '../load/finish-load.js';
import { READER_VERSION, releaseWriters, type LedgerLine, type Reader } from '../load/ledger.js';
import { LoadFencedError } from '../load/load-fenced-error.js';
import { mostRejected } from '../load/most-rejected.js';
import { resultOf, type ExtractedObject, type LoadResult } from '../load/load-result.js';
import { completeStage, createNumberedStage, stageName, type StageName } from '../load/stage-table.js';
import { tableColumns } from '../schema/table-columns.js';
import { askedRows } from './asked-rows.js';
import { copyKeys } from './copy-keys.js';
import { copyPiece } from './copy-piece.js';
import { countWithoutCursor, type CursorRange } from './cursor-range.js';
import { describeSource, relationOf, type SourceDescription } from './describe-source.js';
import { findRelation } from './find-relation.js';
import { heedContract } from './heed-contract.js';
import { giveLane, takeLanes } from './further-lanes.js';
import { lanesOf } from './lanes-of.js';
import { passRows } from './pass-rows.js';
import type { PieceMeter } from './piece-meter.js';
import { piecesByKey, piecesByPlace, type Piece } from './plan-pieces.js';
import { inSourceSnapshot, sourcePosition, type SnapshotOptions } from './source-session.js';

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

function keysTarget({ schemas, resource }: PostgresLoadOptions, { loadId, token }: LedgerLine) {
  return { loadId, token, stage: stageName(schemas.stage, loadId), primaryKey: resource.primaryKey };
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

interface Reading {
  readonly options: PostgresLoadOptions;
  /** Of the warehouse: the load's writer. */
  readonly session: Session;
  /** Of the source, inside the snapshot. */
  readonly reader: Session;
  /** Of the snapshot. */
  readonly at: SnapshotOptions;
  readonly line: LedgerLine;
  readonly description: SourceDescription;
}

/**
 * Reads the pieces that the ledger does not have, over as many connections as are asked for. Gives the rows that PostgreSQL says are in the
 * stage; undefined where another attempt has written some of them.
 */
async function readPieces({ options, session, reader, at, line, description }: Reading): Promise<number | undefined> {
  const { database, source, resource, schemas, onProgress } = options;
  const committed = await session.query<{ piece: number; rows: number; bytes: number }>(
    'SELECT piece, row_count::float8 AS rows, bytes::float8 AS bytes FROM plumbline.load_pieces WHERE load_id = $1',
    [line.loadId],
  );
  const done = new Set(committed.map(({ piece }) => piece));
  const { pieces, order } = await planPieces(reader, options, line, description);
  const todo = pieces.filter(({ number }) => !done.has(number));
  let rows = committed.reduce((sum, one) => sum + one.rows, 0);
  let bytes = committed.reduce((sum, one) => sum + one.bytes, 0);
  let rejected = line.rowsRejected;
  let written = 0;
  const underWay = new Set<PieceMeter>();
  const report = (): void =>
    onProgress?.({ rows, bytes: [...underWay].reduce((sum, meter) => sum + meter.bytes(), bytes), rejected });
  const ticking = setInterval(report, PROGRESS_MS);
  const failed = new AbortController();
  const signal = options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  // Each connection listens a few times.
  setMaxListeners(0, signal);
  const stage = stageName(schemas.stage, line.loadId);
  const range = ` AND ${askedRows(description, options.object)}`;
  const { path } = options.object;
  const target = { loadId: line.loadId, token: line.token, copy: copyInto(stage, description), path, resource };

  const selectOf = ({ where }: Piece): string =>
    `SELECT ${description.values.join(', ')} FROM ${description.from} WHERE ${where}${range}${order}`;
  let total: number | undefined;
  // Of all rows, which are counted when those so far give a reason to.
  const isTooMany = async (from: Session): Promise<boolean> => {
    if (rejected <= mostRejected(resource, rows)) return false;
    total ??= await countRows(from, `${description.from} WHERE true${range}`);
    return rejected > mostRejected(resource, total);
  };
  const copyNext = async (from: Session, into: Session): Promise<void> => {
    const piece = todo.shift();
    if (piece === undefined || signal.aborted) return;
    // Numbers say in which order rows were read, and differ without any piece knowing of another.
    const passed = passRows(piece.number, description);
    underWay.add(passed.meter);
    const { number } = piece;
    const copied = await copyPiece(from, into, { number, select: selectOf(piece), rows: passed }, target, signal);
    underWay.delete(passed.meter);
    rows += copied.read;
    bytes += passed.meter.bytes();
    written += copied.written;
    rejected += copied.rejected;
    if (todo.length > 0 && (await isTooMany(from))) todo.length = 0;
    report();
  };
  const copying = new Set<Promise<void>>();
  // What goes wrong ends the others.
  const copyOne = async (from: Session, into: Session): Promise<void> => {
    const piece = copyNext(from, into).catch((error: unknown) => failed.abort(error));
    copying.add(piece);
    await piece;
    copying.delete(piece);
  };
  const isOver = (): boolean => todo.length === 0 || signal.aborted;
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  // A connection to the warehouse is borrowed for a piece: other steps wait no longer for one. Whoever still waits when all is read lets the
  // source go; what comes of the wait finds nothing to do.
  const reading = new Set<Promise<void>>();
  const help = ({ id: snapshot, server }: ExportedSnapshot): Promise<void> => {
    const helper: Promise<void> = source.session((from) => {
      reading.add(helper);
      return cancelOnAbort(source, from, signal, () =>
        // The lock is asked for here, where to wait for it in vain ends no load: whoever would rewrite the table may be before it.
        inSourceSnapshot(from, { ...at, snapshot }, async () => {
          if ((await serverOf(from)) !== server) return;
          while (!isOver()) await Promise.race([finished, database.session((into) => copyOne(from, into))]);
          // A COPY that was cut takes no COMMIT.
          signal.throwIfAborted();
        }),
      );
    });
    return helper;
  };
  try {
    const helpers = Math.min(lanesOf(resource), todo.length) - 1;
    if (helpers > 0) {
      const snapshot = await exportSnapshot(reader);
      // One that gets no connection leaves its pieces to the others.
      for (let lanes = takeLanes(helpers); lanes > 0; lanes--)
        void help(snapshot)
          .catch(() => {})
          .finally(giveLane);
    }
    while (!isOver()) await copyOne(reader, session);
    await Promise.all(copying);
    signal.throwIfAborted();
  } finally {
    finish();
    clearInterval(ticking);
    // They are cancelled one by one, over a pool that must not be closed before.
    if (signal.aborted) await Promise.allSettled(reading);
  }
  if (total === undefined || rejected <= mostRejected(resource, total))
    return committed.length === 0 ? written : undefined;
  const { loadId, token } = line;
  const context = { options, session, loadId, token, stage, source: { rows: total, lineOf: () => null } };
  throw await failLoad(context, rejected);
}

async function countRows(from: Session, what: string): Promise<number> {
  const [counted] = await from.query<{ rows: number }>(`SELECT count(*)::float8 AS rows FROM ${what}`);
  return counted?.rows ?? 0;
}

const PROGRESS_MS = 500;

/** Another server behind the same address may have one of the same name. */
interface ExportedSnapshot {
  readonly id: string;
  readonly server: string;
}

async function exportSnapshot(reader: Session): Promise<ExportedSnapshot> {
  const [exported] = await reader.query<{ id: string }>('SELECT pg_export_snapshot() AS id');
  return { id: exported!.id, server: await serverOf(reader) };
}

/** Its start, in microseconds: nothing else tells replicas apart that a balancer stands before. */
async function serverOf(session: Session): Promise<string> {
  const [own] = await session.query<{ start: string }>('SELECT pg_postmaster_start_time()::text AS start');
  return own!.start;
}

async function planPieces(
  reader: Session,
  { resource, object }: PostgresLoadOptions,
  line: LedgerLine,
  description: SourceDescription,
): Promise<{ readonly pieces: readonly Piece[]; readonly order: string }> {
  const blocks = line.reader?.dialect['blocks'];
  const { cursor, interval } = description;
  // What is new since a cursor, or of an interval, is little, and an index may find it.
  const isLittle = object.from !== undefined || interval !== undefined;
  if (typeof blocks === 'number' && !isLittle) return { pieces: piecesByPlace(blocks), order: '' };
  const key = description.key.map((name) => `q.${identifier(name)}`);
  const time = cursor === undefined || cursor.type === 'xid' ? interval : cursor;
  const sorted = [...(time === undefined ? [] : [time.column]), ...key].join(', ');
  const order = sorted === '' ? '' : ` ORDER BY ${sorted}`;
  if (isLittle) return { pieces: [{ number: 0, where: 'true' }], order };
  // A sort of the whole source is done when it is asked for.
  const { parallel = 1 } = resource.postgres!;
  const [column] = description.key;
  const pieces =
    parallel > 1 && column !== undefined
      ? await piecesByKey(reader, description, column, parallel)
      : [{ number: 0, where: 'true' }];
  return { pieces, order };
}

function copyInto(stage: StageName, { columns }: SourceDescription): string {
  const names = ['_row_number', ...columns.map(({ name }) => name)].map(identifier).join(', ');
  return `COPY ${qualified(stage.schema, stage.name)} (${names})`;
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

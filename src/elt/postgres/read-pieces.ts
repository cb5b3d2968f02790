import { setMaxListeners } from 'node:events';
import type { Session } from '../../model/database.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { failLoad } from '../load/fail-load.js';
import type { LedgerLine } from '../load/ledger.js';
import { mostRejected } from '../load/most-rejected.js';
import { stageName, type StageName } from '../load/stage-table.js';
import { askedRows } from './asked-rows.js';
import { copyPiece, type PieceTarget } from './copy-piece.js';
import type { SourceDescription } from './describe-source.js';
import { lanesOf } from './lanes-of.js';
import type { PostgresLoadOptions } from './load-postgres.js';
import { passRows } from './pass-rows.js';
import { openTally, type PieceTally } from './piece-tally.js';
import { piecesByKey, piecesByPlace, type Piece } from './plan-pieces.js';
import { readAlong, type PieceWork } from './read-along.js';
import type { SnapshotOptions } from './source-session.js';

export interface Reading {
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
 * stage; undefined where another attempt has written some of them. Throws `ELT_TOO_MANY_REJECTS` (terminal).
 */
export async function readPieces(reading: Reading): Promise<number | undefined> {
  const { options, session, reader, at, line, description } = reading;
  const { database, source, resource, onProgress, onLog } = options;
  const committed = await committedPieces(session, line.loadId);
  const { pieces, order } = await planPieces(reader, options, line, description);
  const todo = pieces.filter(({ number }) => !committed.numbers.has(number));
  const tally = openTally({ ...committed, rejected: line.rowsRejected }, onProgress);
  const work = openWork(reading, todo, order, tally);
  try {
    const wanted = Math.min(lanesOf(resource), todo.length) - 1;
    const along = await readAlong({ database, source, reader, at, work, wanted, onLog });
    try {
      while (!work.isOver()) await work.copyOne(reader, session);
      await work.settle();
    } finally {
      await along.end();
    }
  } finally {
    tally.close();
  }
  await refuseTooMany(reading, work, tally);
  return committed.numbers.size === 0 ? tally.written() : undefined;
}

interface CommittedPieces {
  readonly numbers: ReadonlySet<number>;
  readonly rows: number;
  readonly bytes: number;
}

async function committedPieces(session: Session, loadId: string): Promise<CommittedPieces> {
  const pieces = await session.query<{ piece: number; rows: number; bytes: number }>(
    'SELECT piece, row_count::float8 AS rows, bytes::float8 AS bytes FROM plumbline.load_pieces WHERE load_id = $1',
    [loadId],
  );
  return {
    numbers: new Set(pieces.map(({ piece }) => piece)),
    rows: pieces.reduce((sum, one) => sum + one.rows, 0),
    bytes: pieces.reduce((sum, one) => sum + one.bytes, 0),
  };
}

interface LoadWork extends PieceWork {
  /** All pieces that were begun are committed. Throws what went wrong with one. */
  readonly settle: () => Promise<void>;
  /** All rows of the source, which are counted when those so far give a reason to. */
  readonly total: () => number | undefined;
}

function openWork({ options, line, description }: Reading, todo: Piece[], order: string, tally: PieceTally): LoadWork {
  const { resource } = options;
  const failed = new AbortController();
  const signal = options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  // Each connection listens a few times.
  setMaxListeners(0, signal);
  const target = targetOf(options, line, description);
  const asked = askedRows(description, options.object);
  const copying = new Set<Promise<void>>();
  let total: number | undefined;

  const selectOf = ({ where }: Piece): string =>
    `SELECT ${description.values.join(', ')} FROM ${description.from} WHERE ${where} AND ${asked}${order}`;
  const isTooMany = async (from: Session): Promise<boolean> => {
    if (tally.rejected() <= mostRejected(resource, tally.rows())) return false;
    total ??= await countRows(from, `${description.from} WHERE ${asked}`);
    return tally.rejected() > mostRejected(resource, total);
  };
  const copyNext = async (from: Session, into: Session): Promise<void> => {
    const piece = todo.shift();
    if (piece === undefined || signal.aborted) return;
    // Numbers say in which order rows were read, and differ without any piece knowing of another.
    const rows = passRows(piece.number, description);
    tally.begin(rows.meter);
    const copied = await copyPiece(from, into, { number: piece.number, select: selectOf(piece), rows }, target, signal);
    tally.commit(rows.meter, copied);
    if (todo.length > 0 && (await isTooMany(from))) todo.length = 0;
  };

  return {
    signal,
    isOver: () => todo.length === 0 || signal.aborted,
    async copyOne(from, into) {
      const piece = copyNext(from, into).catch((error: unknown) => failed.abort(error));
      copying.add(piece);
      await piece;
      copying.delete(piece);
    },
    async settle() {
      await Promise.all(copying);
      signal.throwIfAborted();
    },
    total: () => total,
  };
}

function targetOf(
  { object: { path }, resource, schemas }: PostgresLoadOptions,
  { loadId, token }: LedgerLine,
  description: SourceDescription,
): PieceTarget {
  return { loadId, token, copy: copyInto(stageName(schemas.stage, loadId), description), path, resource };
}

function copyInto(stage: StageName, { columns }: SourceDescription): string {
  const names = ['_row_number', ...columns.map(({ name }) => name)].map(identifier).join(', ');
  return `COPY ${qualified(stage.schema, stage.name)} (${names})`;
}

async function countRows(from: Session, what: string): Promise<number> {
  const [counted] = await from.query<{ rows: number }>(`SELECT count(*)::float8 AS rows FROM ${what}`);
  return counted?.rows ?? 0;
}

async function refuseTooMany({ options, session, line }: Reading, work: LoadWork, tally: PieceTally): Promise<void> {
  const total = work.total();
  if (total === undefined || tally.rejected() <= mostRejected(options.resource, total)) return;
  const { loadId, token } = line;
  const stage = stageName(options.schemas.stage, loadId);
  const source = { rows: total, lineOf: () => null };
  throw await failLoad({ options, session, loadId, token, stage, source }, tally.rejected());
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

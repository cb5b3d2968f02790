import { Readable } from 'node:stream';
import { failpoint } from '../../failpoint.js';
import type { Session } from '../../model/database.js';
import { LoadFencedError } from '../load/load-fenced-error.js';
import type { PieceContent, RowNumbering } from './number-rows.js';

export interface PieceTarget {
  readonly loadId: string;
  readonly token: string;
  /** `COPY stage (…) FROM STDIN (FORMAT binary)`; the row number is its first column. */
  readonly copy: string;
}

/**
 * Streams what `select` gives from the source into the stage, and records the piece in the ledger, in one transaction
 * of the warehouse. Throws LoadFencedError when another attempt has taken the load over; nothing is left behind then.
 */
export async function copyPiece(
  from: Session,
  into: Session,
  piece: { readonly number: number; readonly select: string; readonly numbering: RowNumbering },
  { loadId, token, copy }: PieceTarget,
  signal?: AbortSignal,
): Promise<PieceContent> {
  const content = await into.transaction(async () => {
    const written = await stream(from, into, `COPY (${piece.select}) TO STDOUT (FORMAT binary)`, copy, piece.numbering, signal); // prettier-ignore
    const read = piece.numbering.content();
    if (written !== read.rows) throw new Error(`PostgreSQL took ${written} of the ${read.rows} rows that were sent`);
    await failpoint('load.after-copy');
    await into.execute(
      'INSERT INTO plumbline.load_pieces (load_id, piece, row_count, bytes, sha256) VALUES ($1, $2, $3, $4, $5)',
      [loadId, piece.number, read.rows, read.bytes, read.sha256],
    );
    const changed = await into.execute(
      `UPDATE plumbline.loads SET next_chunk = next_chunk + 1, next_row = next_row + $3, rows_read = rows_read + $3,
         rows_loaded = rows_loaded + $3
       WHERE load_id = $1 AND token = $2 AND status = 'loading'`,
      [loadId, token, read.rows],
    );
    if (changed !== 1) throw new LoadFencedError(`Load ${loadId}`, { loadId });
    await failpoint('load.before-commit');
    return read;
  });
  await failpoint('load.after-commit');
  return content;
}

/** The source's failure, as the receiving side sees it: which of the two failed first is otherwise not to be told. */
class SourceFailed extends Error {}

async function stream(
  from: Session,
  into: Session,
  copyOut: string,
  copyIn: string,
  numbering: RowNumbering,
  signal: AbortSignal | undefined,
): Promise<number> {
  const options = signal === undefined ? {} : { signal };
  const [sent, received] = await Promise.allSettled([
    from.copyTo(copyOut, numbering, options),
    into.copyFrom(copyIn, Readable.from(blocksOf(numbering), { objectMode: false }), options),
  ]);
  signal?.throwIfAborted();
  const isSourceFault = received.status === 'rejected' && received.reason instanceof SourceFailed;
  if (received.status === 'rejected' && !isSourceFault) throw received.reason;
  if (sent.status === 'rejected') throw sent.reason;
  return received.status === 'fulfilled' ? received.value : 0;
}

async function* blocksOf(numbering: RowNumbering): AsyncGenerator<Buffer> {
  try {
    let isFirst = true;
    for await (const block of numbering) {
      yield block as Buffer;
      if (isFirst) await failpoint('load.mid-copy');
      isFirst = false;
    }
  } catch (error) {
    throw new SourceFailed('reading the source failed', { cause: error });
  }
}

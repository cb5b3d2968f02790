import { Readable } from 'node:stream';
import { PipelineError, TerminalError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import type { Session } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { LoadFencedError } from '../load/load-fenced-error.js';
import { addRejects } from '../load/rejects.js';
import type { PassedRows } from './pass-rows.js';
import type { PieceMeter } from './piece-meter.js';

export interface PieceTarget {
  readonly loadId: string;
  readonly token: string;
  /** `COPY stage (…)`; the row number is its first column. */
  readonly copy: string;
  /** What the rows are of, for those that are quarantined. */
  readonly path: string;
  readonly resource: Pick<ResourceConfig, 'id' | 'at'>;
}

/** Rows of a piece, as far as they are committed. */
export interface CopiedPiece {
  readonly read: number;
  /** Into the stage, as PostgreSQL counted them. */
  readonly written: number;
  readonly rejected: number;
}

/**
 * Streams what `select` gives from the source into the stage, quarantines the rows that do not fit, and records the piece in the ledger, in
 * one transaction of the warehouse. Throws LoadFencedError when another attempt has taken the load over; nothing is left behind then.
 */
export async function copyPiece(
  from: Session,
  into: Session,
  piece: { readonly number: number; readonly select: string; readonly rows: PassedRows },
  { loadId, token, copy, path, resource }: PieceTarget,
  signal?: AbortSignal,
): Promise<CopiedPiece> {
  const { number, select, rows } = piece;
  const { format, meter, rejects } = rows;
  const as = format === 'text' ? `FORMAT text, ENCODING 'UTF8'` : 'FORMAT binary';
  try {
    const copied = await into.transaction(async () => {
      const written = await streamPiece(
        from,
        into,
        `COPY (${select}) TO STDOUT (${as})`,
        `${copy} FROM STDIN (${as})`,
        meter,
        signal,
      ).catch((error: unknown) => {
        throw refusedValue(error, resource);
      });
      for await (const batch of rejects.batches()) await addRejects(into, loadId, path, 'rejected', batch);
      await failpoint('load.after-copy');
      const rejected = rejects.rows();
      const read = written + rejected;
      await into.execute(
        'INSERT INTO plumbline.load_pieces (load_id, piece, row_count, bytes, sha256, nulls) VALUES ($1, $2, $3, $4, $5, $6)',
        [loadId, number, read, meter.bytes(), meter.sha256(), rows.nulls()],
      );
      const changed = await into.execute(
        `UPDATE plumbline.loads SET next_chunk = next_chunk + 1, next_row = next_row + $3, rows_read = rows_read + $3,
           rows_loaded = rows_loaded + $4, rows_rejected = rows_rejected + $5, discarded = ${DISCARDED}
         WHERE load_id = $1 AND token = $2 AND status = 'loading'`,
        [loadId, token, read, written, rejected, JSON.stringify(rows.discarded())],
      );
      if (changed !== 1) throw new LoadFencedError(`Load ${loadId}`, { loadId });
      await failpoint('load.before-commit');
      return { read, written, rejected };
    });
    await failpoint('load.after-commit');
    return copied;
  } finally {
    await rejects.close();
  }
}

/** The values that were left out so far and those of this piece, by column: several connections add to them. */
const DISCARDED = `discarded || coalesce((SELECT jsonb_object_agg(key, value::bigint + coalesce((discarded ->> key)::bigint, 0)) FROM jsonb_each_text($6::jsonb)), '{}')`;

/** A value that the source holds and the warehouse cannot: bytes that are no UTF-8, of a server without an encoding. */
function refusedValue(error: unknown, { id, at }: PieceTarget['resource']): unknown {
  const { code, message, where } = error as { code?: unknown; message?: unknown; where?: unknown };
  // Class 22 data exception, 54 program limit: https://www.postgresql.org/docs/current/errcodes-appendix.html
  if (error instanceof PipelineError || typeof code !== 'string' || !/^(22|54)/.test(code)) return error;
  return new TerminalError('ELT_PG_VALUE', `Loading ${id} failed: the warehouse refused a value of the source: ${String(message)}.`, {
    at,
    details: { sqlstate: code, ...(typeof where === 'string' && { where: where.slice(0, 300) }) },
    next: 'Correct the value in the source, or leave it out with a `query`.',
  }); // prettier-ignore
}

/** The source's failure, as the receiving side sees it: which of the two failed first is otherwise not to be told. */
class SourceFailed extends Error {}

/** Streams what a COPY gives into another. Gives the number of rows. */
export async function streamPiece(
  from: Session,
  into: Session,
  copyOut: string,
  copyIn: string,
  meter: PieceMeter,
  signal: AbortSignal | undefined,
): Promise<number> {
  const options = signal === undefined ? {} : { signal };
  const [sent, received] = await Promise.allSettled([
    from.copyTo(copyOut, meter, options),
    into.copyFrom(copyIn, Readable.from(blocksOf(meter), { objectMode: false }), options),
  ]);
  signal?.throwIfAborted();
  const isSourceFault = received.status === 'rejected' && received.reason instanceof SourceFailed;
  if (received.status === 'rejected' && !isSourceFault) throw received.reason;
  if (sent.status === 'rejected') throw sent.reason;
  return received.status === 'fulfilled' ? received.value : 0;
}

async function* blocksOf(meter: PieceMeter): AsyncGenerator<Buffer> {
  try {
    let isFirst = true;
    for await (const block of meter) {
      yield block as Buffer;
      if (isFirst) await failpoint('load.mid-copy');
      isFirst = false;
    }
  } catch (error) {
    throw new SourceFailed('reading the source failed', { cause: error });
  }
}

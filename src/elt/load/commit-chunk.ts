import { failpoint } from '../../failpoint.js';
import type { Session } from '../../model/database.js';
import type { RowChunk } from '../read/row-chunk.js';
import type { LoadColumn } from '../schema/column.js';
import { copyChunk } from './copy-chunk.js';
import { LoadFencedError } from './load-fenced-error.js';
import { addRejects } from './rejects.js';

export interface ChunkTarget {
  readonly loadId: string;
  readonly token: string;
  /** This chunk's place; the ledger must be waiting for exactly this one. */
  readonly chunkNumber: number;
  readonly stage: { readonly schema: string; readonly name: string };
  readonly columns: readonly LoadColumn[];
  readonly file: string;
  /** Values that the contract dropped of the load, this chunk's included, by column. */
  readonly discarded: Readonly<Record<string, number>>;
}

/**
 * One transaction: rows by COPY, quarantined rows, then the ledger by compare-and-set. Throws LoadFencedError when
 * the ledger is not where this attempt left it, RefusedRow or RefusedBinary when PostgreSQL refuses a value; all leave nothing behind.
 * Gives how many rows PostgreSQL says it has copied.
 */
export async function commitChunk(
  session: Session,
  chunk: RowChunk,
  target: ChunkTarget,
  signal?: AbortSignal,
): Promise<number> {
  const rows = await session.transaction(async () => {
    const isEmpty = chunk.rowNumbers.length === 0;
    const blocks = withFailpoint(chunk.blocks);
    const copied = isEmpty ? 0 : await copyChunk(session, chunk, target, { blocks, signal });
    await addRejects(session, target.loadId, target.file, 'rejected', chunk.faults);
    await failpoint('load.after-copy');
    const changed = await session.execute(
      `UPDATE plumbline.loads SET next_chunk = next_chunk + 1, next_row = $4, rows_read = rows_read + $5,
         rows_loaded = rows_loaded + $6, rows_rejected = rows_rejected + $7, discarded = $8
       WHERE load_id = $1 AND token = $2 AND next_chunk = $3 AND status = 'loading'`,
      [
        target.loadId,
        target.token,
        target.chunkNumber,
        chunk.nextRow,
        chunk.nextRow - chunk.fromRow,
        chunk.rowNumbers.length,
        chunk.faults.length,
        JSON.stringify(target.discarded),
      ],
    );
    if (changed !== 1) throw new LoadFencedError(`Load ${target.loadId} of ${target.file}`, { loadId: target.loadId });
    await failpoint('load.before-commit');
    return copied;
  });
  await failpoint('load.after-commit');
  return rows;
}

async function* withFailpoint(blocks: readonly Buffer[]): AsyncGenerator<Buffer> {
  for (const [index, block] of blocks.entries()) {
    yield block;
    if (index === 0) await failpoint('load.mid-copy');
  }
}

import type { CopyFormat } from '../read/row-chunk.js';
import { checkRows } from './check-rows.js';
import type { SourceDescription } from './describe-source.js';
import { numberRows } from './number-rows.js';
import { meterPiece, type PieceMeter } from './piece-meter.js';
import { openRejectSpool, type RejectSpool } from './reject-spool.js';

/** How the rows of one piece go from the source into the stage. */
export interface PassedRows {
  /** Of both COPYs. */
  readonly format: CopyFormat;
  /** Puts a number before each row, and leaves out what the contract does not let through. */
  readonly meter: PieceMeter;
  /** By column, when all is through; null where nobody counts. */
  readonly nulls: () => readonly number[] | null;
  readonly rejects: RejectSpool;
  /** Values that were left out, by column. */
  readonly discarded: () => Readonly<Record<string, number>>;
}

/** Rows that need no look go over as the bytes that PostgreSQL has; the others as text, which says the same of every type. */
export function passRows(piece: number, { columns, check }: Pick<SourceDescription, 'columns' | 'check'>): PassedRows {
  const rejects = openRejectSpool();
  if (check === undefined) {
    const { take, nulls } = numberRows(piece, columns.length);
    return { format: 'binary', meter: meterPiece({ change: take }), nulls, rejects, discarded: () => ({}) };
  }
  const { take, isWhole, discarded } = checkRows(piece, columns, check, rejects.add);
  const meter = meterPiece({ change: take, isWhole, settle: rejects.settle });
  return { format: 'text', meter, nulls: () => null, rejects, discarded };
}

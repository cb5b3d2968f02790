import type { CopiedPiece } from './copy-piece.js';
import type { PieceMeter } from './piece-meter.js';

/** How far a load's pieces are. */
export interface PieceTally {
  /** Of committed pieces, also of those that another attempt committed. */
  readonly rows: () => number;
  readonly rejected: () => number;
  /** Rows that this attempt has written into the stage, as PostgreSQL counted them. */
  readonly written: () => number;
  /** A piece's bytes show from here on. */
  readonly begin: (meter: PieceMeter) => void;
  readonly commit: (meter: PieceMeter, copied: CopiedPiece) => void;
  /** Nothing is reported any more. */
  readonly close: () => void;
}

const PROGRESS_MS = 500;

/** @param from what earlier attempts have committed */
export function openTally(
  from: { readonly rows: number; readonly bytes: number; readonly rejected: number },
  onProgress: ((progress: typeof from) => void) | undefined,
): PieceTally {
  let { rows, bytes, rejected } = from;
  let written = 0;
  const underWay = new Set<PieceMeter>();
  const report = (): void =>
    onProgress?.({ rows, bytes: [...underWay].reduce((sum, meter) => sum + meter.bytes(), bytes), rejected });
  const ticking = setInterval(report, PROGRESS_MS);
  return {
    rows: () => rows,
    rejected: () => rejected,
    written: () => written,
    begin: (meter) => void underWay.add(meter),
    commit(meter, copied) {
      underWay.delete(meter);
      rows += copied.read;
      bytes += meter.bytes();
      written += copied.written;
      rejected += copied.rejected;
      report();
    },
    close: () => clearInterval(ticking),
  };
}

import { TerminalError } from '../../errors.js';
import { placeOfRow, type RowFault } from './row-fault.js';

/** Of memory, about. */
export function bytesOfFault({ value, raw }: RowFault): number {
  return 250 + (value?.length ?? 0) + (raw?.length ?? 0);
}

const MAX_BYTES = 128 << 20;

/** Rows of a file that are none of its table, found before its load begins: as many as memory should hold. */
export class FaultList {
  /** In the order of rows. */
  readonly all: RowFault[] = [];
  #bytes = 0;

  constructor(private readonly file: string) {}

  /** Throws `ELT_FILE_MALFORMED` when they are too many; a retry does not help. */
  add(fault: RowFault): void {
    this.all.push(fault);
    this.#bytes += bytesOfFault(fault);
    if (this.#bytes <= MAX_BYTES) return;
    const [first] = this.all as [RowFault];
    const { line, reason } = first;
    throw new TerminalError(
      'ELT_FILE_MALFORMED',
      `Reading ${this.file} failed: ${this.all.length} of its first ${fault.row} rows are refused, more than are kept of one file. The first: ${placeOfRow(first)}: ${reason}.`,
      {
        at: { file: this.file, ...(line !== null && { line }) },
        details: { refused: this.all.length, rows: fault.row },
        next: 'Say in the resource how the file is written, or correct it; where so many rows are to be refused, cut it into smaller files. The table keeps its former rows.',
      },
    );
  }
}

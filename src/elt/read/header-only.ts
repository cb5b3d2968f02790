import { TerminalError } from '../../errors.js';

/** A file without one row: terminal, its producer has not finished or it does not belong to the source. */
export function headerOnly(file: string): TerminalError {
  return new TerminalError(
    'ELT_FILE_HEADER_ONLY',
    `Reading ${file} failed: it has a header and 0 rows; expected at least one row.`,
    {
      at: { file, line: 1 },
      next: 'Remove the file from the path or glob, or let its producer finish; `allow_empty: true` takes it as it is. The table keeps its former rows.',
    },
  );
}

import { TerminalError, type SourcePosition } from '../../errors.js';
import { counted } from '../../model/plural.js';

const NEXT =
  'Remove the file from the path or glob, or let its producer finish; `allow_empty: true` takes it as it is. The table keeps its former rows.';

/** A file that holds nothing: terminal, its producer has not finished or it does not belong to the source. `found` says what is there, and what was expected. */
export function emptyFile(file: string, found: string): TerminalError {
  return new TerminalError('ELT_FILE_EMPTY', `Reading ${file} failed: ${found}.`, { at: { file }, next: NEXT });
}

/** A file with a header and without one row; terminal, as `emptyFile`. */
export function headerOnly(file: string): TerminalError {
  return withoutRows({ file, line: 1 }, 'a header');
}

/** The same of a file whose format says its columns. */
export function columnsOnly(file: string, columns: number): TerminalError {
  return withoutRows({ file }, counted(columns, 'column'));
}

function withoutRows(at: SourcePosition, has: string): TerminalError {
  const message = `Reading ${at.file} failed: it has ${has} and 0 rows; expected at least one row.`;
  return new TerminalError('ELT_FILE_HEADER_ONLY', message, { at, next: NEXT });
}

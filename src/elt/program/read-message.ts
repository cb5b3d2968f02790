import { TerminalError } from '../../errors.js';
import type { ColumnType } from '../../model/project.js';
import { jsonElements } from '../read/ndjson-line.js';

/** What a program says of itself: where to go on, of what types its columns are, why it failed, that there is no more. */
export type ProgramMessage =
  | { readonly kind: 'checkpoint'; readonly checkpoint: string }
  | { readonly kind: 'columns'; readonly columns: Readonly<Record<string, ColumnType | null>> }
  | { readonly kind: 'error'; readonly error: ProgramError }
  | { readonly kind: 'done' };

export interface ProgramError {
  readonly type: string;
  readonly message: string;
  /** Where it was raised in the project's files, innermost last. */
  readonly frames: readonly { readonly file: string; readonly line?: number; readonly function?: string }[];
  /** Whether it may pass. */
  readonly retry?: boolean;
  /** Seconds to wait before that. */
  readonly after?: number;
}

const OBJECT = 0x7b;

/** Whether a line is a row: an object. Its content is checked when it is loaded, row by row. */
export function isRow(line: Buffer): boolean {
  return line[0] === OBJECT;
}

/** A line that is no row: `["checkpoint", …]` and the like. Throws `ELT_PROGRAM_PROTOCOL` (terminal) for any other. */
export function readMessage(line: Buffer): ProgramMessage {
  const text = line.toString('utf8');
  try {
    const [name, details] = jsonElements(text);
    const value: unknown = details === undefined ? undefined : JSON.parse(details);
    switch (JSON.parse(name!) as unknown) {
      case 'checkpoint':
        return { kind: 'checkpoint', checkpoint: details! };
      case 'columns':
        return { kind: 'columns', columns: value as Record<string, ColumnType | null> };
      case 'error':
        return { kind: 'error', error: value as ProgramError };
      case 'done':
        return { kind: 'done' };
    }
  } catch {
    // Told below.
  }
  throw new TerminalError(
    'ELT_PROGRAM_PROTOCOL',
    `Reading what a source writes failed: ${JSON.stringify(text.slice(0, 80))} is neither a row nor a message.`,
    { next: 'Write rows through plumbline alone, and nothing to file descriptor 3.' },
  );
}

import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TerminalError } from '../errors.js';

/** Where the user's files name another one. */
export interface NamedAt {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

/**
 * A file of the project. Throws PROJECT_FILE_MISSING or PROJECT_FILE_UNREADABLE; no retry helps.
 * @param at where the user's files name this one
 */
export async function readBytes(root: string, file: string, at: NamedAt, maxBytes: number): Promise<Buffer> {
  try {
    const { size } = await stat(join(root, file));
    if (size > maxBytes) throw unreadable(file, at, `it has ${size} bytes, at most ${maxBytes} are read`, 'Make it smaller.'); // prettier-ignore
    return await readFile(join(root, file));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new TerminalError('PROJECT_FILE_MISSING', `Reading ${file} failed: there is no such file in ${root}.`, {
        at,
        next: `Correct the name, or add ${file}.`,
        cause: error,
      });
    }
    if (code === 'EISDIR') throw unreadable(file, at, 'it is a folder, expected a file', 'Name a file.', error);
    if (code === 'EACCES' || code === 'EPERM')
      throw unreadable(file, at, 'permission denied', `Make it readable: chmod u+r ${file}`, error);
    throw error;
  }
}

export function unreadable(file: string, at: NamedAt, reason: string, next: string, cause?: unknown): TerminalError {
  return new TerminalError('PROJECT_FILE_UNREADABLE', `Reading ${file} failed: ${reason}.`, { at, next, cause });
}

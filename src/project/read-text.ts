import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TerminalError } from '../errors.js';

// A megabyte of YAML or SQL is no longer written by a person.
const MAX_BYTES = 1_000_000;

/**
 * A text file of the project, UTF-8, a byte order mark removed.
 * Throws PROJECT_FILE_MISSING or PROJECT_FILE_UNREADABLE; no retry helps.
 * @param named where the user's files name this one
 */
export async function readText(
  root: string,
  file: string,
  named?: { readonly file: string; readonly line?: number; readonly column?: number },
): Promise<string> {
  const at = named ?? { file };
  const unreadable = (reason: string, next: string, cause?: unknown): TerminalError =>
    new TerminalError('PROJECT_FILE_UNREADABLE', `Reading ${file} failed: ${reason}.`, { at, next, cause });
  let bytes: Buffer;
  try {
    const { size } = await stat(join(root, file));
    if (size > MAX_BYTES) throw unreadable(`it has ${size} bytes, at most ${MAX_BYTES} are read`, 'Make it smaller.');
    bytes = await readFile(join(root, file));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new TerminalError('PROJECT_FILE_MISSING', `Reading ${file} failed: there is no such file in ${root}.`, {
        at,
        next: `Correct the name, or add ${file}.`,
        cause: error,
      });
    }
    if (code === 'EISDIR') throw unreadable('it is a folder, expected a file', 'Name a file.', error);
    if (code === 'EACCES' || code === 'EPERM')
      throw unreadable('permission denied', `Make it readable: chmod u+r ${file}`, error);
    throw error;
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (!text.includes('\0')) return text;
  } catch {
    // Reported below, like a NUL character.
  }
  throw unreadable('it is not UTF-8 text', 'Save it as UTF-8.');
}

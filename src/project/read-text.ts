import { isUtf8 } from 'node:buffer';
import { readBytes, unreadable, type NamedAt } from './read-bytes.js';

// A megabyte of YAML or SQL is no longer written by a person.
const MAX_BYTES = 1_000_000;

/**
 * A text file of the project, UTF-8, a byte order mark removed.
 * Throws PROJECT_FILE_MISSING or PROJECT_FILE_UNREADABLE; no retry helps.
 * @param named where the user's files name this one
 */
export async function readText(root: string, file: string, named?: NamedAt): Promise<string> {
  const at = named ?? { file };
  const bytes = await readBytes(root, file, at, MAX_BYTES);
  if (!isUtf8(bytes)) throw unreadable(file, at, 'it is not UTF-8 text', 'Save it as UTF-8.');
  const text = new TextDecoder().decode(bytes);
  if (!text.includes('\0')) return text;
  const line = text.slice(0, text.indexOf('\0')).split('\n').length;
  throw unreadable(file, at, `line ${line} holds a NUL character`, 'Take it out.');
}

import { readFile, realpath } from 'node:fs/promises';
import { delimiter, resolve, sep } from 'node:path';

/**
 * The text of a file that a project names as `file:path`, without the line end that editors put there; undefined when there is none. Only files
 * inside of a folder that PLUMBLINE_SECRETS_DIR names, with `:` between several, whatever links lead there: whoever may start a run on a
 * worker is not always whoever started the worker. Of any other path it is not even said whether it is there.
 */
export async function readSecretFile(
  environment: Readonly<Record<string, string | undefined>>,
  path: string,
): Promise<{ readonly isRefused: boolean; readonly value?: string }> {
  const folders = (environment[SECRETS_FOLDERS] ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => resolve(folder));
  const inside = (places: readonly string[], place: string): boolean =>
    places.some((folder) => place.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`));
  const real = await Promise.all(folders.map(realOf));
  const isNamed = inside(folders, resolve(path)) || inside(real, resolve(path));
  if (!isNamed) return { isRefused: true };
  try {
    const place = await realpath(path);
    if (!inside(real, place)) return { isRefused: true };
    return { isRefused: false, value: (await readFile(place, 'utf8')).replace(/\r?\n$/, '') };
  } catch {
    return { isRefused: false };
  }
}

/** What to set so that a project may name a file, as a sentence. */
export function howToAllowFiles(): string {
  return `put it into a folder that ${SECRETS_FOLDERS} names where workers and servers start`;
}

export const SECRETS_FOLDERS = 'PLUMBLINE_SECRETS_DIR';

/** Where a folder is not there yet, nothing is inside of it. */
function realOf(folder: string): Promise<string> {
  return realpath(folder).catch(() => folder);
}

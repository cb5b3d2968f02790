import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Problem } from './problem.js';

const NAME = /^[a-z][a-z0-9_]{0,49}$/;

/** The files of a folder with one ending, by name, sorted; none when there is no such folder. */
export async function listNamedFiles(
  root: string,
  folder: string,
  ending: '.sql' | '.csv',
  report: (problem: Problem) => void,
): Promise<{ readonly name: string; readonly file: string }[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  const names = entries
    .filter((entry) => !entry.isDirectory() && entry.name.endsWith(ending) && !entry.name.startsWith('.'))
    .map((entry) => entry.name.slice(0, -ending.length))
    .sort();
  const files = names.map((name) => ({ name, file: `${folder}/${name}${ending}` }));
  for (const { name, file } of files) {
    if (NAME.test(name)) continue;
    report({
      code: 'PROJECT_VALUE_INVALID',
      message: `Reading ${file} failed: its name becomes a table's, expected small letters, digits and _, at most 50 long.`,
      at: { file },
      next: 'Rename the file.',
    });
  }
  return files.filter(({ name }) => NAME.test(name));
}

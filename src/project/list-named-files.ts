import { posix } from 'node:path';
import { listFiles } from './list-files.js';
import type { Problem } from './problem.js';

const NAME = /^[a-z][a-z0-9_]{0,49}$/;

/**
 * The files of a folder and of those inside it with one ending, sorted by name; none when there is no such folder. A file is called as it is,
 * whatever folder it is in, so two of one name are reported.
 */
export async function listNamedFiles(
  root: string,
  folder: string,
  ending: '.sql' | '.csv',
  report: (problem: Problem) => void,
): Promise<{ readonly name: string; readonly file: string }[]> {
  const found = new Map<string, string>();
  for (const file of await listFiles(root, folder, new RegExp(`\\${ending}$`))) {
    const name = posix.basename(file, ending);
    const other = found.get(name);
    if (other !== undefined) {
      report({
        code: 'PROJECT_NAME_TAKEN',
        message: `Reading ${file} failed: ${other} has the name ${name} already; folders are no part of a name.`,
        at: { file },
        next: 'Rename one of the two.',
      });
    } else if (NAME.test(name)) found.set(name, file);
    else
      report({
        code: 'PROJECT_VALUE_INVALID',
        message: `Reading ${file} failed: its name becomes a table's, expected small letters, digits and _, at most 50 long.`,
        at: { file },
        next: 'Rename the file.',
      });
  }
  return [...found].map(([name, file]) => ({ name, file })).sort((one, other) => (one.name < other.name ? -1 : 1));
}

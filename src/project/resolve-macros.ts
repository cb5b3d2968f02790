import { TerminalError } from '../errors.js';
import type { MacroFile } from '../model/project.js';
import type { ProjectErrorCode } from './errors.js';
import { listNamedFiles } from './list-named-files.js';
import type { Problem } from './problem.js';
import { readText } from './read-text.js';

/** The files of macros/, in the order of their names. What they say is checked when SQL is rendered. */
export async function resolveMacros(options: {
  readonly root: string;
  readonly report: (problem: Problem) => void;
}): Promise<MacroFile[]> {
  const { root, report } = options;
  const macros: MacroFile[] = [];
  for (const { file } of await listNamedFiles(root, 'macros', '.sql', report)) {
    try {
      macros.push({ file, sql: await readText(root, file) });
    } catch (error) {
      if (!(error instanceof TerminalError)) throw error;
      const { code, message, at = { file }, next = 'Correct the file.' } = error;
      report({ code: code as ProjectErrorCode, message, at, next });
    }
  }
  return macros;
}

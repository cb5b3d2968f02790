import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProgramStart } from './program-start.js';

/** The package that scripts import, which comes with plumbline: beside `src` and `dist`. */
const PACKAGE = fileURLToPath(new URL('../../../python', import.meta.url));

/**
 * How a script is run: by the interpreter that the source names, else by the project's `.venv`, else by `python3`.
 *
 * @param root where the run was started; the bundle has no `.venv`
 */
export function pythonCommand(
  source: { readonly script: string; readonly function: string; readonly python?: string | undefined },
  root: string,
): ProgramStart {
  const { script, python } = source;
  return {
    command: [interpreter(root, python), '-m', 'plumbline.child', script, source.function],
    // The bundle's folder is as it was packed.
    environment: { PYTHONPATH: PACKAGE, PYTHONDONTWRITEBYTECODE: '1' },
    next: 'Install Python 3.9 or later where the workers run, or name it: `python: .venv/bin/python`.',
  };
}

/** @param named by the source */
export function interpreter(root: string, named: string | undefined): string {
  if (named !== undefined) return named.includes('/') ? resolve(root, named) : named;
  const own = join(root, '.venv', 'bin', 'python');
  return existsSync(own) ? own : 'python3';
}

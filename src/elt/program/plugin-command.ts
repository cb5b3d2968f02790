import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pluginPath } from '../../model/plugin-path.js';
import type { ProgramStart } from './program-start.js';

/** How a plug-in is run: the module that was built when the code was packed, by the Node.js that runs the worker. */
export function pluginCommand(
  source: { readonly module: string; readonly function: string },
  codeRoot: string,
): ProgramStart {
  const built = join(codeRoot, pluginPath(source.module));
  return {
    command: [process.execPath, '--enable-source-maps', childFile(), built, source.function],
    environment: {},
    next: 'Start a new run with `plumbline run`, which builds the plug-in again.',
  };
}

/** The compiled program: beside this file, or in dist when this file runs as TypeScript. */
function childFile(): string {
  const place = import.meta.url.endsWith('.ts') ? '../../../dist/elt/program/plugin-child.js' : './plugin-child.js';
  return fileURLToPath(new URL(place, import.meta.url));
}

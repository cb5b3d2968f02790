import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { isBuilt, pluginPath } from '../model/plugin-path.js';
import { readText } from './read-text.js';

// `import … from './x.mjs'`, `export … from`, `import './x.mjs'` and `import('./x.mjs')`.
const RELATIVE_IMPORT = /\b(?:from|import)\s*\(?\s*(['"])(\.{1,2}\/[^'"\n]+)\1/g;

/**
 * SHA-256 over a JavaScript module of the project and all that it imports by a relative path; of one in TypeScript, over what was built of it,
 * where the code bundle is. Throws PROJECT_FILE_MISSING or
 * PROJECT_FILE_UNREADABLE for one that cannot be read; no retry helps.
 * @param named where plumbline.yaml names the module
 */
export async function moduleDigest(
  root: string,
  file: string,
  named: { readonly file: string; readonly line?: number },
): Promise<string> {
  const sources = new Map<string, string>();
  const visit = async (path: string, from: { readonly file: string; readonly line?: number }): Promise<void> => {
    if (sources.has(path)) return;
    const source = await readText(root, path, from);
    sources.set(path, source);
    // What it imports is in what is built of it.
    if (isBuilt(path)) return;
    for (const [, , target] of source.matchAll(RELATIVE_IMPORT))
      await visit(posix.join(posix.dirname(path), target!), { file: path });
  };
  await visit(file, named);
  const built = isBuilt(file) ? await readBuilt(root, file) : undefined;
  if (built !== undefined) sources.set(file, built);
  const hash = createHash('sha256');
  for (const path of [...sources.keys()].sort()) {
    const content = createHash('sha256').update(sources.get(path)!).digest('hex');
    hash.update(`${path}\0${content}\n`);
  }
  return hash.digest('hex');
}

/** Undefined where the project is written, as nothing is built there. */
async function readBuilt(root: string, file: string): Promise<string | undefined> {
  return readFile(join(root, pluginPath(file)), 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
}

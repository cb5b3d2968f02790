import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { readText } from './read-text.js';

// `import … from './x.mjs'`, `export … from`, `import './x.mjs'` and `import('./x.mjs')`.
const RELATIVE_IMPORT = /\b(?:from|import)\s*\(?\s*(['"])(\.{1,2}\/[^'"\n]+)\1/g;

/**
 * SHA-256 over a JavaScript module of the project and all that it imports by a relative path. Throws PROJECT_FILE_MISSING or
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
    for (const [, , target] of source.matchAll(RELATIVE_IMPORT))
      await visit(posix.join(posix.dirname(path), target!), { file: path });
  };
  await visit(file, named);
  const hash = createHash('sha256');
  for (const path of [...sources.keys()].sort()) {
    const content = createHash('sha256').update(sources.get(path)!).digest('hex');
    hash.update(`${path}\0${content}\n`);
  }
  return hash.digest('hex');
}

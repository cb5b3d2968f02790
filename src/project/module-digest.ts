import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import { isBuilt, pluginPath } from '../model/plugin-path.js';
import { contentHash } from './bundle-digest.js';
import { readBytes, type NamedAt } from './read-bytes.js';

// `import … from './x.mjs'`, `export … from`, `import './x.mjs'`, `import('./x.mjs')`; `new URL('./x.xsd', import.meta.url)`.
const RELATIVE_IMPORT = /\b(?:from|import|new URL)\s*\(?\s*(['"])(\.{1,2}\/[^'"\n]+)\1/g;
/** What a code bundle takes of a file. */
const MAX_FILE_BYTES = 5_000_000;
const IS_MODULE = /\.[cm]?js$/;

/**
 * SHA-256 over a parser's module. One in JavaScript runs as it is: over it and all files that it names by a relative path. One in TypeScript is built:
 * over what was built of it, which only the code bundle has; where the project is written, over the module alone.
 *
 * Throws PROJECT_FILE_MISSING or PROJECT_FILE_UNREADABLE for a file that cannot be read; no retry helps.
 * @param named where plumbline.yaml names the module
 */
export async function moduleDigest(root: string, file: string, named: NamedAt): Promise<string> {
  if (isBuilt(file)) {
    const built = pluginPath(file);
    return contentHash(await readBytes(root, existsSync(join(root, built)) ? built : file, named, MAX_FILE_BYTES));
  }
  const digests = new Map<string, string>();
  const visit = async (path: string, from: NamedAt): Promise<void> => {
    if (digests.has(path)) return;
    const content = await readBytes(root, path, from, MAX_FILE_BYTES);
    digests.set(path, contentHash(content));
    if (!IS_MODULE.test(path)) return;
    for (const [, , target] of content.toString('utf8').matchAll(RELATIVE_IMPORT))
      await visit(posix.join(posix.dirname(path), target!), { file: path });
  };
  await visit(file, named);
  const hash = createHash('sha256');
  for (const path of [...digests.keys()].sort()) hash.update(`${path}\0${digests.get(path)}\n`);
  return hash.digest('hex');
}

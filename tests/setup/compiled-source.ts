import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const repository = fileURLToPath(new URL('../../', import.meta.url));

/**
 * The source as JavaScript in a folder of this name below `.plumbline`, for processes that a test kills: they start several times
 * faster than with a loader, and what they run is what is checked out. Gives the folder; its types are not checked.
 */
export async function compileSource(name: string): Promise<string> {
  const source = join(repository, 'src');
  const outdir = join(repository, '.plumbline', name);
  const files = await readdir(source, { recursive: true });
  await build({
    entryPoints: files.filter((file) => file.endsWith('.ts')).map((file) => join(source, file)),
    outbase: source,
    outdir,
    format: 'esm',
    target: 'es2023',
    logLevel: 'error',
  });
  return outdir;
}

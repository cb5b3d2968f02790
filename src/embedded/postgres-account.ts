import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, chown, cp, mkdir, realpath, rename, rm, rmdir, stat } from 'node:fs/promises';
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
 * cannot reach the project's folder or the installed programs (a project under /root). Data that is there already stays
 * where it is. Throws `EMBEDDED_POSTGRES_DATA` when `nobody` cannot use it, `EMBEDDED_POSTGRES_FOLDER` when that user
 * can reach neither folder; no retry helps.
 */
export async function postgresAccount(options: {
  readonly bin: string;
  readonly root: string;
  readonly stateDir: string;
}): Promise<PostgresAccount> {
  const { bin, stateDir } = options;
  const local = join(stateDir, 'postgres');
  if (process.getuid?.() !== 0) {
    await mkdir(local, { recursive: true, mode: 0o755 });
    return { bin, home: await realpath(local), user: {} };
  }
  const outside = systemHome(options.root);
  const home = (await homeWithData([local, outside])) ?? (await newHome(stateDir, local, outside));
  return {
    bin: (await canRun(bin)) ? bin : await copyPrograms(bin),
    home: await realpath(home),
    user: NOBODY,
    ...(home === local
      ? {}
      : {
          note: `PostgreSQL's data is in ${outside}: root's PostgreSQL runs as user ${NOBODY.uid}, not in ${stateDir}`,
        }),
  };
}

/** The data folder used when root's project cannot be entered by PostgreSQL's user. */
export function systemHome(root: string): string {
  return join(SYSTEM_FOLDER, createHash('sha256').update(root).digest('hex').slice(0, 16));
}

/** The folders that hold the stack's data: `.plumbline`, and the one outside when the database is there. */
export function stackFolders(project: { readonly root: string; readonly stateDir: string }): string[] {
  return [project.stateDir, ...[systemHome(project.root)].filter((folder) => existsSync(folder))];
}

/** Where a database of the project may lie, in the form in which the system names it. */
export async function dataFolders(project: { readonly root: string; readonly stateDir: string }): Promise<string[]> {
  const homes = [join(project.stateDir, 'postgres'), systemHome(project.root)];
  const found = await Promise.all(homes.map((home) => realpath(join(home, 'data')).catch(() => [])));
  return found.flat();
}

/** The first folder that holds a database. */
async function homeWithData(folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const data = join(folder, 'data');
    if (!(await exists(join(data, 'PG_VERSION')))) continue;
    const { uid } = await stat(data);
    if (uid === NOBODY.uid && (await canEnter(folder))) return folder;
    const [found, remedy] =
      uid === NOBODY.uid
        ? [
            `that user cannot enter ${folder}, which holds the database`,
            `Let that user pass every folder above ${data}`,
          ]
        : [`the database in ${data} belongs to user ${uid}`, `Run plumbline as user ${uid}`];
    throw new TerminalError(
      'EMBEDDED_POSTGRES_DATA',
      `Starting PostgreSQL as user ${NOBODY.uid}, since this is root, failed: ${found}. Nothing was changed.`,
      { details: { data, owner: uid }, next: `${remedy}, or delete the database with \`plumbline up --reset\`.` },
    );
  }
  return undefined;
}

/** Asks whether `nobody` can pass before anything is made or given to that user. */
async function newHome(stateDir: string, local: string, outside: string): Promise<string> {
  if ((await canPass(stateDir)) && (await makeHome(local))) return local;
  if (await makeHome(outside)) return outside;
  throw new TerminalError(
    'EMBEDDED_POSTGRES_FOLDER',
    `Starting PostgreSQL as user ${NOBODY.uid} failed: that user can enter neither ${local} nor ${outside}.`,
    { details: { local, outside }, next: 'Run plumbline as a normal user, or make one of the folders reachable.' },
  );
}

/** Whether `nobody` can use the folder; one that this call made in vain is taken away again. */
async function makeHome(folder: string): Promise<boolean> {
  const made = await mkdir(folder, { recursive: true, mode: 0o755 });
  await chown(folder, NOBODY.uid, NOBODY.gid);
  if (await canEnter(folder)) return true;
  if (made !== undefined) await rmdir(folder);
  return false;
}

/** Asked of the system itself rather than computed from mode bits: mounts and access lists count too. */
async function canRun(bin: string): Promise<boolean> {
  return succeeds(join(bin, 'postgres'), ['--version']);
}

async function canEnter(folder: string): Promise<boolean> {
  return succeeds('/bin/sh', ['-c', 'cd "$1" && test -w .', 'sh', folder]);
}

async function canPass(folder: string): Promise<boolean> {
  return succeeds('/bin/sh', ['-c', 'cd "$1"', 'sh', folder]);
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

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

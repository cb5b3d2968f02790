import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

// Tells this process from a former one with the same number: in a container it is often the same after each start.
const OWNER = [hostname().replaceAll('~', '-'), process.pid, randomUUID().slice(0, 8)].join('~');

/** Of other machines nothing is known but how long ago a file was written. */
const STALE_MS = 24 * 3_600_000;

/** A new name for a temporary file or folder; says which process of which machine it belongs to. */
export function ownedName(): string {
  return `${OWNER}~${randomUUID()}`;
}

/** A folder of this process inside `parent`, for files it needs only while it lives. */
export async function makeOwnFolder(parent: string): Promise<string> {
  const folder = join(parent, ownedName());
  await mkdir(folder, { recursive: true });
  return folder;
}

export interface Removed {
  readonly count: number;
  /** Of files; what is in folders is not counted. */
  readonly bytes: number;
}

/** Removes from `folder` what processes that were killed left there: owned names whose process is gone, or a day old. */
export async function removeAbandoned(folder: string): Promise<Removed> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  let [count, bytes] = [0, 0];
  for (const name of names) {
    if (!(await isAbandoned(folder, name))) continue;
    const found = await stat(join(folder, name)).catch(() => undefined);
    await rm(join(folder, name), { recursive: true, force: true });
    count++;
    bytes += found?.isFile() === true ? found.size : 0;
  }
  return { count, bytes };
}

async function isAbandoned(folder: string, name: string): Promise<boolean> {
  const [host, pid, token] = name.split('~');
  if ([host, pid, token].join('~') === OWNER) return false;
  const [ownHost, ownPid] = OWNER.split('~');
  if (host === ownHost && (pid === ownPid || !isRunning(Number(pid)))) return true;
  const written = await stat(join(folder, name)).catch(() => undefined);
  return written !== undefined && Date.now() - written.mtimeMs > STALE_MS;
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process may not be signalled, but is there.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

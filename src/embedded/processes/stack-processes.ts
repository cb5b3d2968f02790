import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import { endProcess } from './end-process.js';
import { identify, type ProcessIdentity } from './process-identity.js';

/** The environment variable by which the processes of a stack, and all that they start, are known. */
export const STACK_VARIABLE = 'PLUMBLINE_STACK';

/** The value of that variable for the project in this folder. */
export function stackMark(root: string): string {
  return createHash('sha256').update(root).digest('hex').slice(0, 16);
}

interface MarkedProcess extends ProcessIdentity {
  readonly parent: number;
}

/**
 * Ends every process of the stack that does not descend from one in `keep`: steps whose worker was killed, and parts
 * nobody recorded because the supervisor was killed between starting them and writing it down. Gives how many.
 */
export async function endOrphans(mark: string, keep: readonly number[], graceMs = 0): Promise<number> {
  const marked = new Map((await findMarked(mark)).map((each) => [each.pid, each]));
  const orphans = [...marked.values()].filter(({ pid }) => {
    const seen = new Set<number>();
    for (let at: number | undefined = pid; at !== undefined && !seen.has(at); at = marked.get(at)?.parent) {
      if (keep.includes(at)) return false;
      seen.add(at);
    }
    return true;
  });
  await Promise.all(orphans.map((orphan) => endProcess(orphan, { graceMs })));
  return orphans.length;
}

async function findMarked(mark: string): Promise<MarkedProcess[]> {
  const entry = `${STACK_VARIABLE}=${mark}`;
  const found = process.platform === 'linux' ? await markedOnLinux(entry) : await markedByPs(entry);
  const identified = await Promise.all(
    found
      .filter(({ pid }) => pid !== process.pid)
      .map(async ({ pid, parent }) => {
        const identity = await identify(pid);
        return identity === undefined ? [] : [{ ...identity, parent }];
      }),
  );
  return identified.flat();
}

async function markedOnLinux(entry: string): Promise<{ pid: number; parent: number }[]> {
  const found = await Promise.all(
    (await allPids()).map(async (pid) => {
      // Other users' environments are not readable, and not ours.
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
      if (!environment.split('\0').includes(entry)) return [];
      const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
      return [{ pid, parent: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0) }];
    }),
  );
  return found.flat();
}

async function markedByPs(entry: string): Promise<{ pid: number; parent: number }[]> {
  const { stdout } = await promisify(execFile)('ps', ['-axEww', '-o', 'pid=,ppid=,command='], { maxBuffer: 1 << 26 });
  return stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => words.includes(entry))
    .map((words) => ({ pid: Number(words[0]), parent: Number(words[1]) }));
}

/**
 * PostgreSQL's processes for a data folder, on Linux. They overwrite their environment with their title, and a backend
 * in the middle of a query outlives a killed postmaster; but they all work in the data folder.
 */
export async function findPostgresProcesses(dataDir: string): Promise<ProcessIdentity[]> {
  if (process.platform !== 'linux') return [];
  const found: ProcessIdentity[] = [];
  for (const pid of await allPids()) {
    const folder = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (folder !== dataDir) continue;
    const program = await readlink(`/proc/${pid}/exe`).catch(() => '');
    const identity = /\/postgres( \(deleted\))?$/.test(program) ? await identify(pid) : undefined;
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

export async function allPids(): Promise<number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
}

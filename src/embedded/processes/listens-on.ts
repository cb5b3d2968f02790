import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import { allPids } from './stack-processes.js';

/**
 * Whether this process, or one of the group it leads (a program behind a script), listens on the port. An answer from
 * the port does not tell: another project's server may have it.
 */
export async function listensOn(leader: number, port: number): Promise<boolean> {
  if (process.platform !== 'linux') return listensByLsof(leader, port);
  const sockets = await listeningSockets(leader, port);
  if (sockets.size === 0) return false;
  for (const pid of await allPids()) {
    if ((await groupOf(pid)) === leader && (await holdsOneOf(pid, sockets))) return true;
  }
  return false;
}

/** As proc(5) has them in the column `inode`, of rows in state 0A (listening). */
async function listeningSockets(pid: number, port: number): Promise<ReadonlySet<string>> {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'latin1').catch(() => '')),
  );
  const rows = tables.flatMap((table) => table.split('\n').map((line) => line.trim().split(/\s+/)));
  return new Set(
    rows
      .filter((row) => row[1]?.endsWith(local) && row[3] === '0A')
      .map(([, , , , , , , , , inode]) => `socket:[${inode}]`),
  );
}

async function groupOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
}

async function holdsOneOf(pid: number, sockets: ReadonlySet<string>): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const open = await readdir(folder).catch(() => []);
  const targets = await Promise.all(open.map((name) => readlink(`${folder}/${name}`).catch(() => '')));
  return targets.some((target) => sockets.has(target));
}

async function listensByLsof(leader: number, port: number): Promise<boolean> {
  const parameters = ['-nP', '-a', '-g', String(leader), `-iTCP:${port}`, '-sTCP:LISTEN', '-t'];
  return promisify(execFile)('lsof', parameters).then(
    ({ stdout }) => stdout.trim() !== '',
    () => false,
  );
}

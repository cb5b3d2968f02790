import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, chown, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DATABASE_USER, readPostgresPassword, Secret } from '../config.js';
import { TerminalError } from '../errors.js';
import type { PostgresAccount } from './postgres-account.js';
import { endProcess } from './processes/end-process.js';
import { identify, type ProcessIdentity } from './processes/process-identity.js';
import { findPostgresProcesses } from './processes/stack-processes.js';

/** `<home>/data` */
export function dataFolder(account: PostgresAccount): string {
  return join(account.home, 'data');
}

/**
 * Makes the data folder with a random password (`secrets.json`, readable by this user only) when there is none. A run
 * that is killed leaves nothing that is taken for a data folder.
 */
export async function initialiseData(account: PostgresAccount, stateDir: string): Promise<Secret> {
  const data = dataFolder(account);
  const known = await readPostgresPassword(stateDir);
  if (await exists(join(data, 'PG_VERSION'))) {
    if (known !== undefined) return known;
    throw new TerminalError(
      'EMBEDDED_START_FAILED',
      `Starting PostgreSQL failed: ${join(stateDir, 'secrets.json')} is gone, and with it the password of the data in ${data}.`,
      { details: { data }, next: 'Restore the file, or delete the data with `plumbline up --reset`.' },
    );
  }
  const password = known ?? new Secret(randomBytes(24).toString('base64url'));
  const secrets = join(stateDir, 'secrets.json');
  await writeFile(`${secrets}.new`, JSON.stringify({ postgresPassword: password.reveal() }), { mode: 0o600 });
  await rename(`${secrets}.new`, secrets);
  await initdb(account, password, data);
  return password;
}

async function initdb(account: PostgresAccount, password: Secret, data: string): Promise<void> {
  const { uid, gid } = account.user;
  const beside = `${data}.new`;
  const passwordFile = join(account.home, 'password');
  await rm(beside, { recursive: true, force: true });
  await rm(passwordFile, { force: true });
  await writeFile(passwordFile, password.reveal(), { mode: 0o600 });
  if (uid !== undefined && gid !== undefined) await chown(passwordFile, uid, gid);
  try {
    await promisify(execFile)(
      join(account.bin, 'initdb'),
      [
        `--pgdata=${beside}`,
        `--username=${DATABASE_USER}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        // The same sort order and casing on every machine.
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--locale=C',
      ],
      { ...account.user, cwd: account.home },
    );
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(beside, data);
}

/** The command line of the server. The password is nowhere in it. */
export function postgresCommand(account: PostgresAccount, port: number): readonly string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '100',
    shared_buffers: '128MB',
    // Fewer checkpoints in a bulk load.
    max_wal_size: '2GB',
    timezone: 'UTC',
    log_timezone: 'UTC',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return [join(account.bin, 'postgres'), '-D', dataFolder(account), '-p', String(port), ...flags];
}

/** Whether this postmaster accepts connections: it writes so in line 8 of postmaster.pid. */
export async function postgresIsReady(data: string, postmaster: ProcessIdentity): Promise<boolean> {
  const lines = await postmasterFile(data);
  return Number(lines[0]) === postmaster.pid && lines[7]?.trim() === 'ready';
}

/** A live postmaster of this data folder and its port, whoever started it. */
export async function findPostmaster(data: string): Promise<{ process: ProcessIdentity; port: number } | undefined> {
  const [number, , , port] = await postmasterFile(data);
  const pid = Number(number);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const identity = await identify(pid);
  if (identity === undefined || !(await worksIn(data, pid))) return undefined;
  return { process: identity, port: Number(port) };
}

async function worksIn(data: string, pid: number): Promise<boolean> {
  if (process.platform === 'linux') return (await findPostgresProcesses(data)).some((each) => each.pid === pid);
  const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }));
  return stdout.includes(`postgres -D ${data} `);
}

/**
 * After the postmaster was killed: ends backends that still run, then removes its postmaster.pid, whose number may
 * belong to another process by now, which PostgreSQL would take for a running server.
 */
export async function clearAfterKill(data: string): Promise<void> {
  if ((await findPostmaster(data)) !== undefined) return;
  // SIGQUIT is PostgreSQL's immediate exit: the next start recovers from the write-ahead log.
  const backends = await findPostgresProcesses(data);
  await Promise.all(backends.map((backend) => endProcess(backend, { signal: 'SIGQUIT', graceMs: 1_000 })));
  await rm(join(data, 'postmaster.pid'), { force: true });
}

async function postmasterFile(data: string): Promise<string[]> {
  return (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

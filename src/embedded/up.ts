import { spawn } from 'node:child_process';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadSettings, readStackState, servingPortOf, type Settings } from '../config.js';
import { TerminalError } from '../errors.js';
import { makeStateFolder } from '../state-folder.js';
import { resolveTemporalBinary, type ResolvedBinary } from './binaries/resolve-binary.js';
import { isFree } from './free-port.js';
import { withLock } from './lock.js';
import { endProcess } from './processes/end-process.js';
import { identify, isAlive, type ProcessIdentity } from './processes/process-identity.js';
import { STACK_VARIABLE, stackMark } from './processes/stack-processes.js';
import { stackStatus, type StackStatus } from './stack-status.js';
import { deleteStackData, stopStack } from './stop-stack.js';
import { waitForStack } from './wait-for-stack.js';

export interface UpOptions {
  /** The project's folder, or one below it. */
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  /** Deletes all data of the stack first. @default false */
  readonly reset?: boolean;
  /** Whether the prediction server is one of the parts. @default true */
  readonly serving?: boolean;
  /** The script with the commands `supervise`, `worker` and `serve`. @default plumbline's own */
  readonly cli?: string;
  /** How long the parts may take until all are ready. @default 90000 */
  readonly timeoutMs?: number;
}

/**
 * Starts the stack, or finds it running, and returns when every part is ready. Parts that run already, under a
 * supervisor or left by a killed one, are kept; a supervisor without a part that is wanted is replaced. Servers that the environment names are used instead of started.
 * Throws `EMBEDDED_START_FAILED` naming the part and its log, `EMBEDDED_BINARY_NOT_FOUND`, `EMBEDDED_PORT_TAKEN`,
 * `EMBEDDED_LOCKED`; a stack that this call started is stopped again then.
 */
export async function up(options: UpOptions, report: (line: string) => void): Promise<StackStatus> {
  const { root, env, reset = false } = options;
  const settings = await loadSettings({ cwd: root, env, ignoreDamage: reset });
  await makeFolders(settings);
  const lock = {
    // The other one may be building a program.
    timeoutMs: 1_500_000,
    onWait: (holder: number) => report(`waiting for process ${holder}, which starts or stops this stack`),
  };
  return withLock(settings.stateDir, lock, async () => {
    if (reset) {
      await stopStack(settings);
      const emptied = await deleteStackData(settings);
      await makeFolders(settings);
      report(`all data of the stack is deleted: ${emptied.join(' and ')}`);
    }
    const state = await readStackState(settings.stateDir);
    const running = state?.supervisor !== undefined && (await isAlive(state.supervisor)) ? state.supervisor : undefined;
    const lacksServing = options.serving !== false && state?.parts.serving === undefined;
    const supervisor =
      running === undefined || lacksServing ? await startSupervisor(settings, options, report, running) : running;
    try {
      await waitForStack({
        settings,
        supervisor,
        serving: options.serving ?? true,
        timeoutMs: options.timeoutMs ?? 90_000,
        report,
      });
    } catch (error) {
      if (running === undefined) await stopStack(settings);
      throw error;
    }
    return stackStatus({ root: settings.root, env: options.env });
  });
}

async function makeFolders({ stateDir, logsDir }: Settings): Promise<void> {
  await makeStateFolder(stateDir);
  await mkdir(logsDir, { recursive: true, mode: 0o700 });
  await writeFile(join(stateDir, '.gitignore'), '*\n');
}

async function startSupervisor(
  settings: Settings,
  options: UpOptions,
  report: (line: string) => void,
  replaced?: ProcessIdentity,
): Promise<ProcessIdentity> {
  const { env } = options;
  await checkServingPort(settings, options);
  const temporal = settings.temporal.embedded ? await resolveTemporalBinary({ env, report }) : undefined;
  // Killed rather than asked: the parts that it would stop are watched on by the new one.
  if (replaced !== undefined) await endProcess(replaced, { signal: 'SIGKILL', graceMs: 5_000 });
  const log = await open(join(settings.logsDir, 'supervisor.log'), 'a', 0o600);
  try {
    const cli = options.cli ?? fileURLToPath(new URL('../cli/main.js', import.meta.url));
    const child = spawn(process.execPath, [cli, ...superviseArguments(settings, temporal, options)], {
      cwd: settings.root,
      env: { ...env, [STACK_VARIABLE]: stackMark(settings.root) },
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    child.unref();
    return (await identify(child.pid ?? 0)) ?? { pid: child.pid ?? 0, started: 'ended at once' };
  } finally {
    await log.close();
  }
}

function superviseArguments(settings: Settings, temporal: ResolvedBinary | undefined, options: UpOptions): string[] {
  return [
    'supervise',
    `--root=${settings.root}`,
    ...(temporal === undefined ? [] : [`--temporal=${temporal.path}`, `--temporal-source=${temporal.source}`]),
    ...((options.serving ?? true) ? [] : ['--no-serving']),
  ];
}

/** A port asked for by name is not exchanged for another one. A prediction server that still runs there is ours. */
async function checkServingPort(settings: Settings, options: UpOptions): Promise<void> {
  const port = servingPortOf(options.env);
  if (port === undefined || options.serving === false || (await isFree(port))) return;
  const own = (await readStackState(settings.stateDir))?.parts.serving?.process;
  if (own !== undefined && (await isAlive(own))) return;
  throw new TerminalError(
    'EMBEDDED_PORT_TAKEN',
    `Starting the prediction server on port ${port} (PLUMBLINE_SERVING_PORT) failed: another program listens there.`,
    {
      details: { port },
      next: 'End that program, name another port, or unset PLUMBLINE_SERVING_PORT to take any free one.',
    },
  );
}

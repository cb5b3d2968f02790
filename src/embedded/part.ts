import { spawn } from 'node:child_process';
import { open, rename, stat } from 'node:fs/promises';
import type { PartName, StackState } from '../config.js';
import { endProcess, type EndOptions } from './processes/end-process.js';
import { identify, isAlive, type ProcessIdentity } from './processes/process-identity.js';

export interface Launch {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly user?: { readonly uid?: number; readonly gid?: number };
}

export interface PartDefinition {
  readonly name: PartName;
  readonly logFile: string;
  /** What to start; asked anew before each start, so it may choose a port or clear what a killed one left. */
  launch(): Promise<Launch>;
  isReady(process: ProcessIdentity): Promise<boolean>;
  /** Called after the process has ended by itself, before it is started again. */
  afterEnd?(): Promise<void>;
  readonly stop: EndOptions;
}

export type PartState = NonNullable<StackState['parts'][PartName]>;

export interface SupervisedPart {
  /** Resolves when the part is ready for the first time. */
  readonly ready: Promise<void>;
  state(): PartState;
  stop(): Promise<void>;
}

const FIRST_RESTART_MS = 100;
const LONGEST_RESTART_MS = 5_000;
const TOLD_MS = 500;
const WATCH_MS = 200;
const LARGEST_LOG_BYTES = 20 * 2 ** 20;

/** Keeps one process running: starts it, or watches one that runs already, and starts it again whenever it ends. */
export function supervisePart(
  definition: PartDefinition,
  options: {
    readonly adopted?: ProcessIdentity;
    readonly onChange: (state: PartState) => void;
    readonly log: (line: string) => void;
  },
): SupervisedPart {
  const { name } = definition;
  let stopping = false;
  let current = options.adopted;
  let state: PartState = { state: 'starting', restarts: 0, since: new Date().toISOString() };
  let becameReady = (): void => {};
  const ready = new Promise<void>((resolve) => (becameReady = resolve));
  const wake = { up: (): void => {} };
  const pause = (milliseconds: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      wake.up = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  const change = (next: Pick<PartState, 'state'> & Partial<PartState>): void => {
    const { process: _process, message: _message, ...kept } = state;
    state = {
      ...kept,
      ...(current === undefined ? {} : { process: current }),
      ...next,
      since: new Date().toISOString(),
    };
    options.onChange(state);
  };

  /** @returns whether it was ready before it ended */
  const watch = async (process: ProcessIdentity): Promise<boolean> => {
    let isReady = false;
    while (!stopping && (await isAlive(process))) {
      if (!isReady && (await definition.isReady(process))) {
        isReady = true;
        options.log(`${name} ready (process ${process.pid})`);
        change({ state: 'running' });
        becameReady();
      }
      await pause(isReady ? WATCH_MS : 50);
    }
    return isReady;
  };

  const run = async (): Promise<void> => {
    let delay = FIRST_RESTART_MS;
    while (!stopping) {
      let ending = 'ended';
      const isOwn = current === undefined;
      try {
        if (current === undefined) {
          const launch = await definition.launch();
          if (stopping) return;
          current = await start(launch, definition.logFile, (how) => {
            ending = how;
            wake.up();
          });
          options.log(`${name} started (process ${current.pid})`);
        } else {
          options.log(`${name} adopted (process ${current.pid})`);
        }
        change({ state: 'starting' });
        // Only starts that fail are slowed down: what was killed at work is needed again at once.
        if (await watch(current)) delay = FIRST_RESTART_MS;
        // It is seen to be gone a moment before it is told how it went.
        if (isOwn && !stopping && ending === 'ended') await pause(TOLD_MS);
      } catch (error) {
        ending = `could not be started: ${error instanceof Error ? error.message : String(error)}`;
      }
      if (stopping) return;
      current = undefined;
      options.log(`${name} ${ending}`);
      change({ state: 'restarting', restarts: state.restarts + 1, message: ending });
      await definition.afterEnd?.().catch((error: unknown) => options.log(`${name}: ${String(error)}`));
      await pause(delay);
      delay = Math.min(delay * 2, LONGEST_RESTART_MS);
    }
  };
  const running = run();

  return {
    ready,
    state: () => state,
    async stop() {
      stopping = true;
      wake.up();
      await running;
      if (current !== undefined) await endProcess(current, definition.stop);
      current = undefined;
      change({ state: 'stopped' });
    },
  };
}

/** In a process group of its own, so that what it started can be ended with it. */
async function start(launch: Launch, logFile: string, onEnd: (how: string) => void): Promise<ProcessIdentity> {
  const [file, ...parameters] = launch.command;
  if (file === undefined) throw new RangeError('expected a command of at least one word');
  const log = await openLog(logFile);
  try {
    const child = spawn(file, parameters, {
      cwd: launch.cwd,
      env: launch.env,
      ...launch.user,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    child.once('exit', (code, signal) =>
      onEnd(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`),
    );
    const identity = child.pid === undefined ? undefined : await identify(child.pid);
    if (identity === undefined) throw new Error('it ended at once');
    return identity;
  } finally {
    await log.close();
  }
}

async function openLog(path: string): Promise<Awaited<ReturnType<typeof open>>> {
  const bytes = await stat(path).then(
    ({ size }) => size,
    () => 0,
  );
  if (bytes > LARGEST_LOG_BYTES) await rename(path, `${path}.1`);
  return open(path, 'a', 0o600);
}

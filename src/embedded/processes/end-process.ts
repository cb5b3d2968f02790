import { TransientError } from '../../errors.js';
import { isAlive, type ProcessIdentity } from './process-identity.js';

export interface EndOptions {
  /** The signal that asks. @default SIGTERM */
  readonly signal?: NodeJS.Signals;
  /** How long it has before SIGKILL. */
  readonly graceMs: number;
}

/**
 * Ends exactly this process and, with SIGKILL, what is left of the process group it leads; does nothing when it is gone
 * already. Throws `EMBEDDED_STOP_FAILED` when it outlives SIGKILL by 5 s.
 */
export async function endProcess(target: ProcessIdentity, options: EndOptions): Promise<void> {
  if (!(await signalProcess(target, options.signal ?? 'SIGTERM'))) return;
  await waitForEnd(target, options.graceMs);
  const stubborn = await signalProcess(target, 'SIGKILL');
  signalGroup(target.pid);
  if (!stubborn || (await waitForEnd(target, 5_000))) return;
  throw new TransientError('EMBEDDED_STOP_FAILED', `Ending process ${target.pid} failed: it outlived SIGKILL by 5 s.`, {
    details: { pid: target.pid },
    next: `Look at it with \`ps -fp ${target.pid}\`: it may wait for a disk or belong to another user.`,
  });
}

/** Sends the signal when the process is still this one; says whether it was. */
async function signalProcess(target: ProcessIdentity, signal: NodeJS.Signals): Promise<boolean> {
  if (!(await isAlive(target))) return false;
  try {
    process.kill(target.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

function signalGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // No such group: the process led none, or nothing is left of it.
  }
}

async function waitForEnd(target: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  for (const deadline = Date.now() + timeoutMs; await isAlive(target);) {
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return true;
}

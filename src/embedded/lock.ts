import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { processIdentitySchema } from '../config.js';
import { TransientError } from '../errors.js';
import { makeStateFolder } from '../state-folder.js';
import { identify, isAlive, type ProcessIdentity } from './processes/process-identity.js';

/** A lock has its content when it appears: one that has none lost it with the machine. */
const UNREADABLE_MS = 2_000;

/**
 * Runs `work` while no other process does the same for this state folder. A lock whose holder has died is taken over,
 * and so is one that has named no process for 2 s. Waits for a living holder up to `timeoutMs`, then throws `EMBEDDED_LOCKED` (a retry helps).
 */
export async function withLock<T>(
  stateDir: string,
  options: { readonly timeoutMs: number; readonly onWait?: (holder: number) => void },
  work: () => Promise<T>,
): Promise<T> {
  await makeStateFolder(stateDir);
  const path = join(stateDir, 'lock');
  const deadline = Date.now() + options.timeoutMs;
  let told = false;
  let unreadableSince: number | undefined;
  for (;;) {
    if (await take(path)) break;
    const holder = await holderOf(path);
    unreadableSince = holder === undefined ? (unreadableSince ?? Date.now()) : undefined;
    const isAbandoned = holder === undefined ? Date.now() - unreadableSince! > UNREADABLE_MS : !(await isAlive(holder));
    if (isAbandoned) {
      await removeDead(path, holder);
      continue;
    }
    if (holder !== undefined && !told) {
      told = true;
      options.onWait?.(holder.pid);
    }
    if (Date.now() > deadline) {
      throw new TransientError(
        'EMBEDDED_LOCKED',
        `Waiting for process ${holder?.pid ?? 'unknown'}, which starts or stops this stack, took longer than ${options.timeoutMs / 1000} s.`,
        {
          details: { path, holder: holder?.pid },
          next: `Wait for it, or end process ${holder?.pid ?? ''} and try again.`,
        },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/** A hard link appears with its content or not at all, unlike a file that is created and then written. */
async function take(path: string): Promise<boolean> {
  const own = `${path}.${randomUUID()}`;
  await writeFile(own, JSON.stringify(await identify(process.pid)));
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(own, { force: true });
  }
}

async function holderOf(path: string): Promise<ProcessIdentity | undefined> {
  try {
    return processIdentitySchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Two waiters may see the same dead holder: the one that moved a newer lock away puts it back. */
async function removeDead(path: string, dead: ProcessIdentity | undefined): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const moved = await holderOf(aside);
  if (moved !== undefined && moved.started !== dead?.started) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}

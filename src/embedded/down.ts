import { loadSettings } from '../config.js';
import { withLock } from './lock.js';
import { stackFolders } from './postgres-account.js';
import { stopStack } from './stop-stack.js';

/**
 * Stops the stack of `root` and leaves no process of it; data stays, a damaged state file goes. Gives whether anything
 * ran and the folders of the data. Throws `EMBEDDED_LOCKED` while an `up` is at work for more than a minute,
 * `EMBEDDED_STOP_FAILED`; a retry may help.
 */
export async function down(
  options: { readonly root: string; readonly env: NodeJS.ProcessEnv },
  report: (line: string) => void,
): Promise<{ readonly stopped: boolean; readonly data: readonly string[] }> {
  const settings = await loadSettings({ cwd: options.root, env: options.env, ignoreDamage: true });
  const lock = {
    timeoutMs: 60_000,
    onWait: (holder: number) => report(`waiting for process ${holder}, which starts or stops this stack`),
  };
  const stopped = await withLock(settings.stateDir, lock, () => stopStack(settings));
  return { stopped, data: stackFolders(settings) };
}

import { Worker } from 'node:worker_threads';

/** One that nobody uses, and when it ends. */
let kept: { readonly thread: Worker; readonly end: NodeJS.Timeout } | undefined;

const KEPT_MS = 60_000;

/**
 * A thread that runs `file` and answers messages: the one that was kept, whose code is loaded and compiled already (a new one takes
 * longer for that than for 20,000 rows), else a new one. Whoever takes it keeps or terminates it.
 */
export function takeThread(file: URL): Worker {
  const free = kept?.thread;
  forget();
  if (free !== undefined) {
    free.ref();
    return free;
  }
  const thread = new Worker(file, { execArgv: [], name: 'csv' });
  // One that breaks while nobody waits for it is only not there any more.
  thread.on('error', () => {});
  thread.once('exit', () => {
    if (kept?.thread === thread) forget();
  });
  return thread;
}

function forget(): void {
  clearTimeout(kept?.end);
  kept = undefined;
}

/** Keeps an idle thread for the next use within a minute; a second one ends. It does not hold up the end of the process. */
export async function keepThread(thread: Worker): Promise<void> {
  if (kept !== undefined) {
    await thread.terminate();
    return;
  }
  thread.unref();
  const end = setTimeout(() => {
    // First: nobody takes one that is about to end.
    forget();
    void thread.terminate();
  }, KEPT_MS).unref();
  kept = { thread, end };
}

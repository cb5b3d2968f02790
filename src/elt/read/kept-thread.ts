import { Worker } from 'node:worker_threads';

/** One that nobody uses, and when it ends, by its file. */
const kept = new Map<string, { readonly thread: Worker; readonly end: NodeJS.Timeout }>();

const KEPT_MS = 60_000;

/** The compiled code of a thread in `src/elt/` at `path`: where this file is compiled, else in dist, as this runs as TypeScript. */
export function threadFile(path: string): URL {
  return new URL(import.meta.url.endsWith('.ts') ? `../../../dist/elt/${path}` : `../${path}`, import.meta.url);
}

/**
 * A thread that runs `file` and answers messages: the one that was kept, whose code is loaded and compiled already (a new one takes
 * longer for that than for 20,000 rows), else a new one. Whoever takes it keeps or terminates it.
 */
export function takeThread(file: URL): Worker {
  const free = kept.get(file.href)?.thread;
  forget(file);
  if (free !== undefined) {
    free.ref();
    return free;
  }
  const thread = new Worker(file, { execArgv: [], name: 'csv' });
  // One that breaks while nobody waits for it is only not there any more.
  thread.on('error', () => {});
  thread.once('exit', () => {
    if (kept.get(file.href)?.thread === thread) forget(file);
  });
  return thread;
}

function forget({ href }: URL): void {
  clearTimeout(kept.get(href)?.end);
  kept.delete(href);
}

/** Keeps an idle thread that runs `file` for the next use within a minute; a second one ends. It does not hold up the end of the process. */
export async function keepThread(file: URL, thread: Worker): Promise<void> {
  if (kept.has(file.href)) {
    await thread.terminate();
    return;
  }
  thread.unref();
  const end = setTimeout(() => {
    // First: nobody takes one that is about to end.
    forget(file);
    void thread.terminate();
  }, KEPT_MS).unref();
  kept.set(file.href, { thread, end });
}

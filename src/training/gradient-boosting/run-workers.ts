import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { TerminalError, TransientError } from '../../errors.js';
import type { BoostOptions, GrownIteration } from './boost.js';
import type { TrainingMemory } from './training-memory.js';
import type { WorkerData } from './worker.js';

/**
 * Runs the threads of one fit until all have ended by themselves. When one fails, `signal` aborts or `onTree` throws,
 * the others are ended at once and the promise rejects with the cause.
 *
 * @throws TransientError TRAIN_WORKER_FAILED (out of memory, for one), TerminalError TRAIN_WORKER_MISSING
 */
export async function runWorkers(options: {
  readonly memory: TrainingMemory;
  readonly threads: number;
  readonly boost: BoostOptions;
  readonly signal: AbortSignal | undefined;
  readonly onTree: (grown: GrownIteration) => void;
}): Promise<void> {
  const { memory, threads, boost, signal, onTree } = options;
  signal?.throwIfAborted();
  const file = workerFile();
  const workers = Array.from({ length: threads }, (_, index) => {
    const workerData: WorkerData = { ...boost, memory, index, count: threads };
    return new Worker(file, { workerData, execArgv: [], name: `boosting-${index}` });
  });
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal?.reason as Error);
  });
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([Promise.all(workers.map((worker) => ended(worker, onTree))), aborted]);
  } finally {
    signal?.removeEventListener('abort', abort);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function ended(worker: Worker, onTree: (grown: GrownIteration) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.on('message', (grown: GrownIteration) => {
      try {
        onTree(grown);
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    worker.once('error', (cause) => reject(workerFailed(cause.message, cause)));
    worker.once('exit', (code) => (code === 0 ? resolve() : reject(workerFailed(`it ended with code ${code}`))));
  });
}

function workerFailed(reason: string, cause?: unknown): TransientError {
  return new TransientError('TRAIN_WORKER_FAILED', `A training thread of gradient boosting failed: ${reason}.`, {
    next: 'If it fails again, give the worker more memory or train on fewer rows.',
    cause,
  });
}

/** The compiled worker: beside this file, or in dist when this file runs as TypeScript. */
function workerFile(): URL {
  const file = import.meta.url.endsWith('.ts')
    ? new URL('../../../dist/training/gradient-boosting/worker.js', import.meta.url)
    : new URL('./worker.js', import.meta.url);
  if (!existsSync(file)) {
    throw new TerminalError('TRAIN_WORKER_MISSING', `Starting gradient boosting: ${file.pathname} does not exist.`, {
      details: { file: file.pathname },
      next: 'Run `npm run build`.',
    });
  }
  return file;
}

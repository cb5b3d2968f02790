import { parentPort, workerData } from 'node:worker_threads';
import { createBarrier } from './barrier.js';
import { boost, type BoostOptions } from './boost.js';
import type { TrainingMemory } from './training-memory.js';

/** What a thread is started with. */
export interface WorkerData extends BoostOptions {
  readonly index: number;
  readonly count: number;
  readonly memory: TrainingMemory;
}

const { index, count, memory, ...options } = workerData as WorkerData;
const barrier = createBarrier(memory.barrier, count);
boost({ index, count, memory, barrier }, options, (grown) => {
  // All threads have grown the same tree; one reports it.
  if (index === 0) parentPort?.postMessage(grown);
});

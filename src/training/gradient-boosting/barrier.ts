// About a microsecond: longer than the others need when work is even, shorter than a sleep and wake-up.
const SPINS = 500;

/** Words of shared memory a barrier needs: how many have arrived, and the round. */
export const BARRIER_WORDS = 2;
const ARRIVED = 0;
const ROUND = 1;

/**
 * A function that returns once all `threads` have called it. What a thread wrote to shared memory before, every thread
 * sees after. A thread that never arrives leaves the others asleep; whoever started them ends them.
 */
export function createBarrier(state: Int32Array, threads: number): () => void {
  if (threads === 1) return () => undefined;
  return () => {
    const round = Atomics.load(state, ROUND);
    if (Atomics.add(state, ARRIVED, 1) === threads - 1) {
      Atomics.store(state, ARRIVED, 0);
      Atomics.add(state, ROUND, 1);
      Atomics.notify(state, ROUND);
      return;
    }
    for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(state, ROUND) !== round) return;
    while (Atomics.load(state, ROUND) === round) Atomics.wait(state, ROUND, round);
  };
}

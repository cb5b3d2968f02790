/**
 * Calls `work` every so many milliseconds until `stop`, which ends the call under way by the signal and waits for it. A call that
 * takes longer lets the next ones go by. Keeps no process alive.
 *
 * @param onError gets what a call throws; the next one comes all the same
 */
export function repeat(
  everyMs: number,
  work: (signal: AbortSignal) => Promise<unknown>,
  onError: (error: unknown) => void,
): { stop(): Promise<void> } {
  const stopped = new AbortController();
  let round: Promise<unknown> = Promise.resolve();
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    round = work(stopped.signal)
      .catch(onError)
      .finally(() => (isBusy = false));
  }, everyMs);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      stopped.abort();
      await round;
    },
  };
}

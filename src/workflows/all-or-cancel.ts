import { CancellationScope, isCancellation } from '@temporalio/workflow';

/**
 * Runs all of them at once. When one fails the others are cancelled and waited for, clean-up included, before its error is
 * thrown: nothing of a failed run works on while the run is being closed.
 */
export async function allOrCancel<T>(starts: readonly (() => Promise<T>)[]): Promise<T[]> {
  return CancellationScope.cancellable(async () => {
    const scope = CancellationScope.current();
    const running = starts.map((start) => start());
    for (const one of running) one.catch(() => scope.cancel());
    const settled = await Promise.allSettled(running);
    const failures = settled.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    if (failures.length > 0) throw failures.find((failure) => !isCancellation(failure)) ?? failures[0];
    return settled.map((outcome) => (outcome as PromiseFulfilledResult<T>).value);
  });
}

/** Results in the order of `items`, so many at once. The first error stops the others, which are waited for. */
export async function inOrder<T, R>(
  items: readonly T[],
  atOnce: number,
  signal: AbortSignal | undefined,
  work: (item: T, stop: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const failed = new AbortController();
  const stop = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const results: R[] = [];
  const queue = items.entries();
  const errors: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) {
      if (stop.aborted) return;
      try {
        results[index] = await work(item, stop);
      } catch (error) {
        errors.push(error);
        failed.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  signal?.throwIfAborted();
  if (errors.length > 0) throw errors[0];
  return results;
}

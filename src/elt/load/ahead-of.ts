/**
 * What `work` gives for each item, in their order, so many of them under way while the caller works on one: much of the time of a
 * small file is waiting. When the caller stops, or one fails, those under way are waited for.
 */
export async function* aheadOf<T, R>(
  items: Iterable<T>,
  atOnce: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const underWay: Promise<R>[] = [];
  try {
    for (const item of items) {
      const result = work(item);
      // It is awaited in its turn; until then a failure must not count as unhandled.
      result.catch(() => {});
      underWay.push(result);
      if (underWay.length < atOnce) continue;
      yield await underWay.shift()!;
    }
    while (underWay.length > 0) yield await underWay.shift()!;
  } finally {
    await Promise.allSettled(underWay);
  }
}

/**
 * The same items, the next one fetched while the caller works on this one: reading and writing take turns on different
 * cores. Holds two items at most; when the caller stops, the one that is on its way is waited for and dropped.
 */
export async function* readAhead<T>(source: AsyncGenerator<T>): AsyncGenerator<T> {
  let next = source.next();
  try {
    for (;;) {
      const result = await next;
      if (result.done === true) return;
      next = source.next();
      // It is awaited above; until then a failure must not count as unhandled.
      next.catch(() => {});
      yield result.value;
    }
  } finally {
    await next.catch(() => {});
    await source.return(undefined);
  }
}

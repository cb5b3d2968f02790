const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20);

/** Resident set of this process now, and until `stop` the highest above it, in MiB. */
export function watchMemory(): { stop(): { readonly 'MiB at rest': number; readonly 'MiB above it': number } } {
  const atRest = process.memoryUsage.rss();
  let highest = atRest;
  const timer = setInterval(() => (highest = Math.max(highest, process.memoryUsage.rss())), 50);
  return {
    stop() {
      clearInterval(timer);
      return { 'MiB at rest': mebibytes(atRest), 'MiB above it': mebibytes(highest - atRest) };
    },
  };
}

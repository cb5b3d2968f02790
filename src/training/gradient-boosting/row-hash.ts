/** A key for one array of one iteration, to be mixed with row numbers. */
export function hashKey(seed: number, iteration: number, array: number): number {
  return mix(mix(mix(seed | 0) ^ iteration) ^ (array + 0x9e3779b9));
}

/** Uniform in [0, 1), the same for the same key and row whatever the thread. */
export function uniform(key: number, row: number): number {
  return (mix(key ^ Math.imul(row, 0x9e3779b1)) >>> 0) / 4294967296;
}

/** The finalizer of MurmurHash3: every bit of the input moves about half of the output's. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

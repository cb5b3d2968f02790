/**
 * Connections that help to read at once in a process, over all its loads: half of those that it may hold at the warehouse, so that no lease is
 * lost, and no sign of life late, because all of them carry pieces of a slow source. So many loads keep two cores busy without help.
 */
export const MOST_LANES = 12;
let free = MOST_LANES;

/** How many of `wanted` further connections a load may open. Each is given back with `giveLane`. */
export function takeLanes(wanted: number): number {
  const taken = Math.max(0, Math.min(wanted, free));
  free -= taken;
  return taken;
}

export function giveLane(): void {
  free++;
}

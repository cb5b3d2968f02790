const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** Milliseconds from one request to the next: `10/s` is 100; without a rate 0. */
export function intervalMs(rate: string | undefined): number {
  if (rate === undefined) return 0;
  const [count, unit] = rate.split('/');
  return UNIT_MS[unit as keyof typeof UNIT_MS] / Number(count);
}

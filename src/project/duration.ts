/** `30m`, `24h`, `7d`: a whole number and one unit. */
export const DURATION = /^(\d{1,9})(s|m|h|d|w)$/;

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** Milliseconds of a text that matches DURATION; RangeError for any other. */
export function parseDuration(text: string): number {
  const match = DURATION.exec(text);
  if (match === null) throw new RangeError(`expected a duration such as 24h, got ${JSON.stringify(text)}`);
  return Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
}

/** The shortest text for milliseconds that are whole seconds: `90m`, `1d`. Weeks are shown as days. */
export function shownDuration(ms: number): string {
  const unit = (['d', 'h', 'm'] as const).find((one) => ms >= UNIT_MS[one] && ms % UNIT_MS[one] === 0) ?? 's';
  return `${ms / UNIT_MS[unit]}${unit}`;
}

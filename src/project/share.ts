/** `20%`, `0.5 %`. */
export const PERCENT = /^(100(?:\.0+)?|\d{1,2}(?:\.\d+)?) ?%$/;

/** 0..1 from `20%` or 0.2; RangeError for any other. */
export function parseShare(value: string | number): number {
  const share = typeof value === 'number' ? value : Number(PERCENT.exec(value)?.[1]) / 100;
  if (!(share >= 0 && share <= 1)) throw new RangeError(`expected a share, got ${JSON.stringify(value)}`);
  return share;
}

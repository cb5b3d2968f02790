export const PLUS = 43;
export const MINUS = 45;
export const POINT = 46;
export const ZERO = 48;
export const NINE = 57;

/** The end of the ASCII digits that begin at `from`. */
export function digitsEnd(bytes: Buffer, from: number, to: number): number {
  while (from < to && bytes[from]! >= ZERO && bytes[from]! <= NINE) from++;
  return from;
}

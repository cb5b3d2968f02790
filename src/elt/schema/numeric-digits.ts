import type { ColumnType } from '../../model/project.js';

/**
 * Decimal digits of `numeric(precision,scale)` before and behind the point; undefined of any other type. Below 0 before it where the scale is larger:
 * so many zeros come first behind the point.
 *
 * @example numericDigits('numeric(12,2)') // { whole: 10, scale: 2 }
 */
export function numericDigits(type: ColumnType): { readonly whole: number; readonly scale: number } | undefined {
  const [precision, scale] = (/^numeric\((\d+),(\d+)\)$/.exec(type) ?? []).slice(1).map(Number);
  return precision === undefined || scale === undefined ? undefined : { whole: precision - scale, scale };
}

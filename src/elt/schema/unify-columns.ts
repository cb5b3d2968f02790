import type { ColumnType } from '../../model/project.js';

/**
 * The narrowest type that holds the values of two columns exactly. Whole numbers with doubles make `numeric` unless
 * `smallIntegers` says that every whole number is one a double holds; types without a common one make text.
 */
export function commonType(one: ColumnType, other: ColumnType, smallIntegers: boolean): ColumnType {
  if (one === other) return one;
  const pair = new Set<ColumnType>([one, other]);
  const are = (...types: ColumnType[]): boolean => [...pair].every((type) => types.includes(type));
  if (are('bigint', 'double precision')) return smallIntegers ? 'double precision' : 'numeric';
  if ([...pair].every((type) => type === 'bigint' || type === 'double precision' || type.startsWith('numeric')))
    return 'numeric';
  if (are('date', 'timestamp')) return 'timestamp';
  return 'text';
}

import type { ColumnType } from '../../model/project.js';

/**
 * The type that a column of a table gets for values of another type: one that holds what is there and what comes exactly.
 * Undefined where there is none, and the values have to fit the column as it is. Never text: what cannot be a number
 * would make texts of all numbers.
 */
export function widenedType(column: ColumnType, values: ColumnType): ColumnType | undefined {
  if (column === 'bigint') return isFraction(values) ? 'numeric' : undefined;
  if (column.startsWith('numeric(')) return isNumber(values) && values !== column ? 'numeric' : undefined;
  return column === 'date' && values === 'timestamp' ? 'timestamp' : undefined;
}

function isFraction(type: ColumnType): boolean {
  return type === 'double precision' || type.startsWith('numeric');
}

function isNumber(type: ColumnType): boolean {
  return type === 'bigint' || isFraction(type);
}

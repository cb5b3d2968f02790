import { identifier } from '../model/sql-identifier.js';
import type { ColumnClass, ShapeColumn } from './query-shape.js';

/** How a column of the user's is read as a number, a text or a moment. NaN counts as missing. */
export function asNumber(column: ShapeColumn): string {
  const name = identifier(column.name);
  return column.class === 'boolean' ? `${name}::integer::float8` : `NULLIF(${name}::float8, 'NaN')`;
}

export function asText(column: ShapeColumn): string {
  return `${identifier(column.name)}::text COLLATE "C"`;
}

/** A date or a timestamp without zone is read as UTC: every session of plumbline runs in UTC. */
export function asMoment(column: ShapeColumn): string {
  return `${identifier(column.name)}::timestamptz`;
}

/**
 * The type in which entity values of two columns are compared, so that an index serves both sides and no value is
 * rounded or rewritten. undefined: they do not compare (a text '7' is not the number 7).
 */
export function entityType(a: ColumnClass, b: ColumnClass): string | undefined {
  const rank = NUMBERS.indexOf(a);
  const other = NUMBERS.indexOf(b);
  if (rank >= 0 && other >= 0) return ['bigint', 'numeric', 'float8'][Math.max(rank, other)];
  if ((a === 'date' || a === 'timestamp') && (b === 'date' || b === 'timestamp')) return 'timestamptz';
  if (a !== b) return undefined;
  return { boolean: 'boolean', text: 'text COLLATE "C"', uuid: 'uuid' }[a as string];
}

const NUMBERS: readonly ColumnClass[] = ['integer', 'numeric', 'float'];

/** `name` cast to an entity type of `entityType`. */
export function castEntity(expression: string, type: string): string {
  return type.endsWith('COLLATE "C"') ? `${expression}::text COLLATE "C"` : `${expression}::${type}`;
}

import type { ParsedRow } from '../../model/parser.js';

/**
 * A parsed row as one line of JSON, the inventory's columns behind its own; a name that both have is the row's. Throws TypeError for what is
 * no object, and for a value that JSON would change without a word: NaN, infinities, functions.
 *
 * @param columns name and value, each as JSON text
 */
export function rowText(row: ParsedRow, number: number, columns: readonly (readonly [string, string])[]): string {
  if (typeof row !== 'object' || (row as unknown) === null || Array.isArray(row))
    throw new TypeError(`row ${number} is ${Array.isArray(row) ? 'a list' : JSON.stringify(row)}, expected an object`);
  const members: string[] = [];
  const own = new Set<string>();
  for (const [name, value] of Object.entries(row)) {
    if (value === undefined) continue;
    const key = JSON.stringify(name);
    own.add(key);
    members.push(`${key}:${valueText(value, name, number)}`);
  }
  for (const [key, value] of columns) if (!own.has(key)) members.push(`${key}:${value}`);
  return `{${members.join(',')}}`;
}

function valueText(value: unknown, name: string, number: number): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new TypeError(`row ${number}: ${name} is ${value}, expected a finite number or null`);
  // Throws for a Date that is none, a bigint further down and a circle.
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`row ${number}: ${name} is a ${typeof value}, expected a value`);
  return text;
}

import type { RowLists } from '../model/database.js';
import { plural } from '../model/plural.js';
import { pc } from './colors.js';
import { oneLine } from './display-width.js';
import { table } from './format.js';
import { asItIs } from './told-commands.js';

/** Prints at most `limit` rows, as a table or as JSON, and says so when there are more. */
export function showRows(
  { columns, rows }: RowLists,
  { limit, json }: { readonly limit: number; readonly json: boolean },
): void {
  const shown = rows.slice(0, limit);
  if (json) return asItIs(() => process.stdout.write(asJson({ columns, rows: shown })));
  const names = columns.map(({ name }) => name);
  const rowsOf = shown.length === 0 ? '(0 rows)' : table([names, ...shown.map((row) => row.map(cell))]);
  asItIs(() => process.stdout.write(`${rowsOf}\n`));
  if (rows.length > shown.length)
    process.stdout.write(pc.dim(`… more than ${limit} ${plural(limit, 'row')}; see more with --limit\n`));
}

/** A list of objects, one a line. Numbers keep the digits that PostgreSQL writes. */
function asJson({ columns, rows }: RowLists): string {
  const keys = distinct(columns.map(({ name }) => name)).map((name) => JSON.stringify(name));
  const objects = rows.map(
    (row) => `  {${row.map((value, index) => `${keys[index]}: ${jsonOf(value, columns[index]!.typeId)}`).join(', ')}}`,
  );
  return objects.length === 0 ? '[]\n' : `[\n${objects.join(',\n')}\n]\n`;
}

/** A JSON object has each key once: a column whose name is there already gets `_1`, `_2` behind it. */
function distinct(columns: readonly string[]): string[] {
  const taken = new Set(columns);
  return columns.map((name, index) => {
    if (columns.indexOf(name) === index) return name;
    let count = 1;
    while (taken.has(`${name}_${count}`)) count++;
    taken.add(`${name}_${count}`);
    return `${name}_${count}`;
  });
}

const JSON_TYPES = new Set([114, 3802]);
const FLOAT_TYPES = new Set([700, 701]);

function jsonOf(value: unknown, typeId: number): string {
  if (typeof value === 'string') {
    const isWord = JSON_TYPES.has(typeId) || (FLOAT_TYPES.has(typeId) && Number.isFinite(Number(value)));
    return isWord ? value : JSON.stringify(value);
  }
  return JSON.stringify(named(value) ?? null);
}

/** NaN and infinities, for which JSON has no number, by their names. */
function named(value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return Array.isArray(value) ? value.map(named) : value;
}

/** One line a row: a long or many-lined value is cut. */
function cell(value: unknown): string {
  if (value === null || value === undefined) return '∅';
  return oneLine((typeof value === 'string' ? value : JSON.stringify(named(value))).trim(), 60);
}

import type { Row } from '../model/database.js';
import { pc } from './colors.js';
import { oneLine } from './display-width.js';
import { table } from './format.js';
import { plural } from '../model/plural.js';

/** Prints at most `limit` rows, as a table or as JSON, and says so when there are more. */
export function showRows(
  rows: readonly Row[],
  { limit, json }: { readonly limit: number; readonly json: boolean },
): void {
  const shown = rows.slice(0, limit);
  if (json) return void process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
  process.stdout.write(`${render(shown)}\n`);
  if (rows.length > shown.length)
    process.stdout.write(pc.dim(`… more than ${limit} ${plural(limit, 'row')}; see more with --limit\n`));
}

function render(rows: readonly Row[]): string {
  const [first] = rows;
  if (first === undefined) return '(0 rows)';
  const names = Object.keys(first);
  return table([names, ...rows.map((row) => names.map((name) => cell(row[name])))]);
}

/** One line a row: a long or many-lined value is cut. */
function cell(value: unknown): string {
  if (value === null || value === undefined) return '∅';
  return oneLine(textOf(value).trim(), 60);
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : JSON.stringify(value);
}

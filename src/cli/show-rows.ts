import pc from 'picocolors';
import type { Row } from '../model/database.js';
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
  const text = textOf(value).replaceAll(/\s+/g, ' ').trim();
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : JSON.stringify(value);
}

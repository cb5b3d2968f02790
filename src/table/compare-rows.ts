import type { Column, ColumnTable } from './column-table.js';
import { Pace } from './pace.js';

export interface RowComparison {
  /** Rows that both tables have. */
  readonly rows: number;
  /** Columns with another value in at least one of them, and in how many. */
  readonly differing: readonly { readonly name: string; readonly rows: number }[];
}

/** Relative. A model reads float32, which keeps 7 digits; sums in another order differ far below. */
const TOLERANCE = 1e-6;

/**
 * Compares `columns` in the rows that both tables have; `keys` name a row, once in each table. Missing equals missing, and
 * an empty text is missing. A column that one table lacks or has in another kind differs everywhere. O(rows × columns).
 */
export async function compareRows(
  before: ColumnTable,
  now: ColumnTable,
  options: { readonly keys: readonly string[]; readonly columns: readonly string[]; readonly signal?: AbortSignal },
): Promise<RowComparison> {
  const { keys, columns, signal } = options;
  const pace = new Pace(signal);
  const rowOf = new Map<string, number>();
  const nameBefore = rowName(before, keys);
  await pace.overRows(before.rowCount, (from, to) => {
    for (let row = from; row < to; row++) rowOf.set(nameBefore(row), row);
  });
  // For each row of `now` the one of `before`, or -1.
  const partner = new Int32Array(now.rowCount).fill(-1);
  const nameNow = rowName(now, keys);
  let rows = 0;
  await pace.overRows(now.rowCount, (from, to) => {
    for (let row = from; row < to; row++) {
      partner[row] = rowOf.get(nameNow(row)) ?? -1;
      if (partner[row] !== -1) rows++;
    }
  });
  const differing: { name: string; rows: number }[] = [];
  for (const name of columns) {
    const isEqual = equality(before.columns.get(name), now.columns.get(name));
    let unequal = 0;
    await pace.overRows(now.rowCount, (from, to) => {
      for (let row = from; row < to; row++) if (partner[row] !== -1 && !isEqual(partner[row]!, row)) unequal++;
    });
    if (unequal > 0) differing.push({ name, rows: unequal });
  }
  return { rows, differing };
}

function rowName(table: ColumnTable, keys: readonly string[]): (row: number) => string {
  const columns = keys.map((key) => table.columns.get(key)?.values ?? []);
  return (row) => JSON.stringify(columns.map((values) => values[row]));
}

function equality(before: Column | undefined, now: Column | undefined): (before: number, now: number) => boolean {
  if (before === undefined || now === undefined || before.kind !== now.kind) return () => false;
  return before.kind === 'text'
    ? (a, b) => (before.values[a] || null) === ((now.values[b] as string | null) || null)
    : (a, b) => isClose(before.values[a]!, now.values[b] as number);
}

function isClose(a: number, b: number): boolean {
  return Object.is(a, b) || Math.abs(a - b) <= TOLERANCE * Math.max(Math.abs(a), Math.abs(b));
}

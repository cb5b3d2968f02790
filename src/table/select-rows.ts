import type { Column, ColumnTable } from './column-table.js';
import { findRows } from './find-rows.js';
import { Pace } from './pace.js';

/** The rows that `keep` names, in table order. Copies them with turns for the event loop. */
export async function selectRows(
  table: ColumnTable,
  keep: (row: number) => boolean,
  pace = new Pace(),
): Promise<ColumnTable> {
  const rows = await findRows(table.rowCount, keep, pace);
  const columns = new Map<string, Column>();
  for (const [name, column] of table.columns) {
    if (column.kind === 'text') {
      const values: (string | null)[] = [];
      await pace.overRows(rows.length, (from, to) => {
        for (let index = from; index < to; index++) values.push(column.values[rows[index]!] ?? null);
      });
      columns.set(name, { kind: 'text', values });
    } else {
      const values = new Float64Array(rows.length);
      await pace.overRows(rows.length, (from, to) => {
        for (let index = from; index < to; index++) values[index] = column.values[rows[index]!]!;
      });
      columns.set(name, { kind: column.kind, values });
    }
  }
  return { rowCount: rows.length, columns };
}

import { writeFile } from 'node:fs/promises';
import { csvLine } from '../../model/csv-line.js';
import { placeOfRow } from '../read/row-fault.js';
import type { LoadColumn } from '../schema/column.js';

/** One line of plumbline.rejects, as far as it says what the row was. */
export interface QuarantinedRow {
  readonly row: number;
  readonly line: number | null;
  readonly column: string | null;
  readonly value: string | null;
  readonly reason: string;
  readonly raw: string | null;
}

/** Stands before the columns of a file of corrected rows and says which row of the load each one is. */
export const ROW_NUMBER = '_row_number';
/** Column of an exported file that says what is wrong; left out when the file comes back. */
export const REASON = '_reason';

/** The values of a quarantined row; undefined where only its text was kept, or that only in part. */
export function valuesOf(
  { raw }: Pick<QuarantinedRow, 'raw'>,
  columns: readonly LoadColumn[],
): (string | null)[] | undefined {
  if (raw?.startsWith('[') !== true) return undefined;
  try {
    const values = JSON.parse(raw) as unknown[];
    const isWhole = values.length === columns.length && values.every((one) => one === null || typeof one === 'string');
    return isWhole ? values : undefined;
  } catch {
    return undefined;
  }
}

/** What is wrong with a row, in one sentence for a person; with its text where its values cannot be told apart. */
export function complaint(row: QuarantinedRow, columns: readonly LoadColumn[]): string {
  const what = row.column === null ? '' : `, column ${row.column}, got ${JSON.stringify(row.value)}`;
  const text = valuesOf(row, columns) === undefined && row.raw !== null ? `; the row is: ${row.raw}` : '';
  return `${placeOfRow(row)}${what}: ${row.reason}${text}`;
}

/** Writes the rows whose values are known as a CSV file that `retryRejects` reads; gives their number. */
export async function writeKeptRows(
  path: string,
  rows: readonly QuarantinedRow[],
  columns: readonly LoadColumn[],
): Promise<number> {
  const kept = rows.flatMap((row) => {
    const values = valuesOf(row, columns);
    return values === undefined ? [] : [[String(row.row), ...values]];
  });
  await writeFile(path, [[ROW_NUMBER, ...columns.map(({ name }) => name)], ...kept].map(csvLine));
  return kept.length;
}

/** A row that cannot be a row of the table, as it goes to plumbline.rejects. */
export interface RowFault {
  /** Counts the data rows of the file from 1, good and bad alike. */
  readonly row: number;
  /** Counts the file's physical lines from 1; null where the format has none. */
  readonly line: number | null;
  readonly column: string | null;
  readonly value: string | null;
  readonly reason: string;
  readonly raw: string | null;
}

/** Where a row is, for a person: by its line where the format has any. */
export function placeOfRow({ row, line }: Pick<RowFault, 'row' | 'line'>): string {
  return line === null ? `row ${row}` : `line ${line}`;
}

const MAX_KEPT = 10_000;

/** Text as it is kept of a bad row: PostgreSQL cannot hold NUL, and one row must not fill the table. */
export function keptText(text: string): string {
  const clean = Buffer.from(text.replaceAll('\0', '\u2400')).toString();
  return clean.length <= MAX_KEPT
    ? clean
    : `${Buffer.from(clean.slice(0, MAX_KEPT)).toString()}… (${clean.length} characters)`;
}

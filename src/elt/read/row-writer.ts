/** Writes the records of a clean CSV file as COPY takes them. */
export interface RowWriter {
  /** Undefined when the row is sound and written, else the first column whose value is none of its type, or the number of columns when the row has others. */
  write(input: Buffer, start: number, end: number, row: number): number | undefined;
  /** Written since they were last taken. */
  bytes(): number;
  take(): {
    readonly blocks: Buffer[];
    /** By column, of the rows in the blocks; missing where nobody counted. */
    readonly nulls?: readonly number[];
  };
}

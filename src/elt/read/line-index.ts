/** Physical line of each data row, held as the rows at which their difference changes: O(changes) memory. */
export class LineIndex {
  readonly #rows: number[] = [];
  readonly #differences: number[] = [];

  /** Rows come in ascending order. */
  add(row: number, line: number): void {
    if (this.#differences.at(-1) === line - row) return;
    this.#rows.push(row);
    this.#differences.push(line - row);
  }

  lineOf(row: number): number {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#rows[middle]! <= row) low = middle + 1;
      else high = middle;
    }
    return row + (this.#differences[low - 1] ?? 0);
  }
}

const BLOCK_ROWS = 4_096;
/** A row with more lines than a byte holds is kept by itself. */
const FAR = 255;

/** What an index has found so far, as plain data. */
export interface LinesFound {
  /** Of each block. */
  readonly first: readonly number[];
  /** Of each block that is full; one number where it is that of all its rows. */
  readonly steps: readonly (Uint8Array | number)[];
  readonly far: ReadonlyMap<number, number>;
  /** Of the block that is not full. */
  readonly open: Uint8Array;
}

/**
 * Physical line of each data row: of 4,096 rows the first one's, and how many lines each of the others is behind the one before, where that is
 * not always the same. At most a byte a row.
 */
export class LineIndex {
  readonly #first: number[];
  readonly #steps: (Uint8Array | number)[];
  readonly #far: Map<number, number>;
  readonly #open: Uint8Array;
  #rows = 0;
  #line = 0;

  /** @param found what another one, which was in another thread, has found: no rows are added any more */
  constructor(found: LinesFound = { first: [], steps: [], far: new Map(), open: new Uint8Array(BLOCK_ROWS) }) {
    this.#first = [...found.first];
    this.#steps = [...found.steps];
    this.#far = new Map(found.far);
    this.#open = found.open;
  }

  /** Rows come from 1 on, one after the other. */
  add(row: number, line: number): void {
    const place = this.#rows++ % BLOCK_ROWS;
    if (place === 0) this.#first.push(line);
    const step = line - this.#line;
    this.#line = line;
    if (step >= FAR) this.#far.set(row, step);
    this.#open[place] = Math.min(step, FAR);
    if (place === BLOCK_ROWS - 1) this.#close();
  }

  lineOf(row: number): number {
    const block = Math.floor((row - 1) / BLOCK_ROWS);
    const place = (row - 1) % BLOCK_ROWS;
    const steps = this.#steps[block] ?? this.#open;
    const first = this.#first[block] ?? row;
    if (typeof steps === 'number') return first + steps * place;
    let line = first;
    for (let index = 1; index <= place; index++)
      line += steps[index] === FAR ? this.#far.get(row - place + index)! : steps[index]!;
    return line;
  }

  found(): LinesFound {
    const rows = this.#rows % BLOCK_ROWS;
    return { first: this.#first, steps: this.#steps, far: this.#far, open: this.#open.slice(0, rows) };
  }

  #close(): void {
    const step = this.#open[1]!;
    const isSame = step !== FAR && this.#open.subarray(1).every((one) => one === step);
    this.#steps.push(isSame ? step : this.#open.slice());
  }
}

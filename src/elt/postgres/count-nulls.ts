/** Counts the NULLs of a stream of binary COPY as it passes. */
export interface NullCounter {
  readonly take: (block: Buffer) => void;
  /** By field, of the whole rows so far. */
  readonly nulls: () => readonly number[];
}

// Signature and flags: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
const HEADER_BYTES = 15;
const EXTENSION = -2;
const ROW = -1;

/** Reads nothing but lengths: a field of length -1 is NULL. Costs some nanoseconds a field. */
export function nullCounter(fields: number): NullCounter {
  const nulls = new Array<number>(fields).fill(0);
  /** What comes next: the length of the header's extension, a row's number of fields, or the length of this field. */
  let next = EXTENSION;
  /** Bytes before it that are yet to come. */
  let skip = HEADER_BYTES;
  /** The first bytes of a number that a block was cut in. */
  let cut = Buffer.alloc(0);

  return {
    nulls: () => nulls,
    take(block) {
      const data = cut.length === 0 ? block : Buffer.concat([cut, block]);
      let at = skip;
      for (;;) {
        const size = next === ROW ? 2 : 4;
        if (at + size > data.length) break;
        if (next === ROW) {
          // The trailer, which nothing follows.
          if (data[at]! >= 0x80) {
            at = Number.POSITIVE_INFINITY;
            break;
          }
          at += 2;
          next = 0;
          continue;
        }
        const length = (data[at]! << 24) | (data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!;
        at += 4;
        if (length > 0) at += length;
        if (next === EXTENSION) next = ROW;
        else {
          if (length < 0) nulls[next]!++;
          next = next + 1 === fields ? ROW : next + 1;
        }
      }
      cut = at < data.length ? Buffer.from(data.subarray(at)) : Buffer.alloc(0);
      skip = Math.max(0, at - data.length);
    },
  };
}

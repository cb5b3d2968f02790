/** Puts a number before the fields of each row of a stream of binary COPY as it passes, and counts its NULLs. */
export interface RowNumberer {
  /** The block's bytes with the numbers in them; less those of a number that is cut off, which come with the next block. */
  readonly take: (block: Buffer) => Buffer;
  /** By field of the source, of the rows so far. */
  readonly nulls: () => readonly number[];
}

// Signature and flags: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
const HEADER_BYTES = 15;
const EXTENSION = -2;
const ROW = -1;

const COUNT_BYTES = 2;
/** A length of 8 and a bigint. */
const NUMBER_BYTES = 12;
/** Numbers that a piece has for its rows. */
export const PIECE_ROWS = 2 ** 32;

/**
 * Row 1 of a piece gets piece × 2³² + 1, and so on: the same stream as if the source had numbered its rows, which costs it
 * and the connection far more. Reads nothing but lengths: a field of length -1 is NULL.
 */
export function numberRows(piece: number, fields: number): RowNumberer {
  const nulls = new Array<number>(fields).fill(0);
  let rows = 0;
  /** What comes next: the length of the header's extension, a row's number of fields, or the length of this field. */
  let next = EXTENSION;
  /** Bytes before it that are yet to come. */
  let skip = HEADER_BYTES;
  /** The first bytes of a number that a block was cut in. */
  let cut = Buffer.alloc(0);

  /** The data up to `end`, with a number behind the count of fields that is at each of `places`. */
  const numbered = (data: Buffer, end: number, places: readonly number[]): Buffer => {
    const room = places.length * NUMBER_BYTES;
    const into = Buffer.allocUnsafe(room + end);
    const view = new DataView(into.buffer, into.byteOffset, into.length);
    // From the back each row moves to its place: within one buffer a move of some bytes costs least.
    data.copy(into, room, 0, end);
    let from = room;
    let to = 0;
    for (const place of places) {
      into.copyWithin(to, from, room + place);
      to += room + place - from;
      from = room + place + COUNT_BYTES;
      rows++;
      view.setInt16(to, fields + 1);
      view.setInt32(to + 2, 8);
      view.setUint32(to + 6, piece + Math.floor(rows / PIECE_ROWS));
      view.setUint32(to + 10, rows % PIECE_ROWS);
      to += COUNT_BYTES + NUMBER_BYTES;
    }
    into.copyWithin(to, from);
    return into;
  };

  return {
    nulls: () => nulls,
    take(block) {
      const data = cut.length === 0 ? block : Buffer.concat([cut, block]);
      const places: number[] = [];
      let at = skip;
      for (;;) {
        const size = next === ROW ? COUNT_BYTES : 4;
        if (at + size > data.length) break;
        if (next === ROW) {
          // The trailer, which nothing follows.
          if (data[at]! >= 0x80) {
            at = Number.POSITIVE_INFINITY;
            break;
          }
          places.push(at);
          at += COUNT_BYTES;
          // A table may have no column at all.
          next = fields === 0 ? ROW : 0;
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
      const end = Math.min(at, data.length);
      cut = Buffer.from(data.subarray(end));
      skip = Math.max(0, at - data.length);
      return places.length === 0 ? data.subarray(0, end) : numbered(data, end, places);
    },
  };
}

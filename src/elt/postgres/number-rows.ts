import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';

/** What went through, once it has ended. */
export interface PieceContent {
  readonly rows: number;
  /** As the source sent them. */
  readonly bytes: number;
  /** SHA-256 over them. */
  readonly sha256: string;
}

export interface RowNumbering extends Transform {
  readonly rowsSoFar: () => number;
  readonly bytesSoFar: () => number;
  readonly content: () => PieceContent;
}

// https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS: signature, flags, length of what follows.
const HEADER_BYTES = 19;
// A bigint with the length before it.
const NUMBER_BYTES = 12;
// The trailer: -1 in place of a number of fields.
const NO_ROW = 0xffff;
// From here on a copy of the whole run is faster than one byte by byte.
const LONG_BYTES = 256;

/**
 * Puts a row number, as the first field, into each row of a stream of binary COPY: `piece` × 2^32 + its place in the
 * piece from 1. So numbers say in which order rows were read, and differ without any piece knowing of another.
 * Memory is bounded, however long a row is. Fails when the stream ends before its trailer.
 */
export function numberRows(piece: number): RowNumbering {
  const hash = createHash('sha256');
  let bytes = 0;
  let rows = 0;
  let toPass = HEADER_BYTES; // bytes of the current header or value that go on as they are
  let fieldsLeft = 0;
  let fields = 0;
  let isOver = false;
  let rest: Buffer = Buffer.alloc(0);

  const transform = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, number(rest.length === 0 ? chunk : Buffer.concat([rest, chunk])));
    },
    flush: (done) => done(isOver ? null : new Error('the source ended in the middle of a row')),
  });
  return Object.assign(transform, {
    rowsSoFar: () => rows,
    bytesSoFar: () => bytes,
    content: () => ({ rows, bytes, sha256: hash.copy().digest('hex') }),
  });

  // Runs for every row: single bytes by hand, because Buffer's methods make an object or a check for each call.
  function number(from: Buffer): Buffer {
    const end = from.length;
    const into = Buffer.allocUnsafe(end + NUMBER_BYTES * (Math.ceil(end / (2 + 4 * fields)) + 1));
    let read = 0;
    let copied = 0;
    let written = 0;
    const copy = (): void => {
      if (read - copied > LONG_BYTES) {
        into.set(from.subarray(copied, read), written);
        written += read - copied;
        copied = read;
      } else while (copied < read) into[written++] = from[copied++]!;
    };
    const write = (value: number, bits: number): void => {
      for (let shift = bits - 8; shift >= 0; shift -= 8) into[written++] = value >>> shift;
    };
    for (;;) {
      if (toPass > 0) {
        const passed = Math.min(toPass, end - read);
        read += passed;
        toPass -= passed;
        if (toPass > 0) break;
      }
      if (isOver) break;
      if (fieldsLeft > 0) {
        if (end - read < 4) break;
        const length = (from[read]! << 24) | (from[read + 1]! << 16) | (from[read + 2]! << 8) | from[read + 3]!;
        read += 4;
        fieldsLeft--;
        // -1 is NULL
        if (length > 0) toPass = length;
        continue;
      }
      if (end - read < 2) break;
      const count = (from[read]! << 8) | from[read + 1]!;
      if (count === NO_ROW) {
        read += 2;
        isOver = true;
        toPass = end - read;
        continue;
      }
      copy();
      fields = count;
      fieldsLeft = count;
      read += 2;
      copied = read;
      rows++;
      write(count + 1, 16);
      write(NUMBER_BYTES - 4, 32);
      write(piece + Math.floor(rows / 2 ** 32), 32);
      write(rows % 2 ** 32, 32);
    }
    copy();
    rest = from.subarray(read);
    return into.subarray(0, written);
  }
}

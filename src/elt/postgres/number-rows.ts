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
const NUMBER_BYTES = 12;

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

  function number(from: Buffer): Buffer {
    const into = Buffer.allocUnsafe(from.length + NUMBER_BYTES * (Math.ceil(from.length / (2 + 4 * fields)) + 1));
    let read = 0;
    let copied = 0;
    let written = 0;
    const copy = (): void => {
      written += from.copy(into, written, copied, read);
      copied = read;
    };
    for (;;) {
      if (toPass > 0) {
        const passed = Math.min(toPass, from.length - read);
        read += passed;
        toPass -= passed;
        if (toPass > 0) break;
      }
      if (isOver) break;
      if (fieldsLeft > 0) {
        if (from.length - read < 4) break;
        const length = from.readInt32BE(read);
        read += 4;
        fieldsLeft--;
        // -1 is NULL
        if (length > 0) toPass = length;
        continue;
      }
      if (from.length - read < 2) break;
      const count = from.readInt16BE(read);
      if (count === -1) {
        read += 2;
        isOver = true;
        toPass = from.length - read;
        continue;
      }
      copy();
      fields = Math.max(count, 0);
      fieldsLeft = fields;
      read += 2;
      copied = read;
      rows++;
      written = into.writeInt16BE(count + 1, written);
      written = into.writeInt32BE(8, written);
      written = into.writeInt32BE(piece + Math.floor(rows / 2 ** 32), written);
      written = into.writeUInt32BE(rows % 2 ** 32, written);
    }
    copy();
    rest = from.subarray(read);
    return into.subarray(0, written);
  }
}

import type { CopyFormat } from './row-chunk.js';

/** Signature, flags, and the length of an extension that there is not: https://www.postgresql.org/docs/current/sql-copy.html */
const HEAD = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
/** Where the next row would say how many fields it has. */
const END = Buffer.from([0xff, 0xff]);

/** What a COPY is fed, with rows in blocks of its format. */
export async function* wholeCopy(
  format: CopyFormat,
  blocks: AsyncIterable<Buffer> | Iterable<Buffer>,
): AsyncGenerator<Buffer> {
  if (format === 'binary') yield HEAD;
  yield* blocks;
  if (format === 'binary') yield END;
}

import { recordAt, type CsvDialect } from './csv-record.js';
import type { ByteSource } from './open-bytes.js';
import { readStretches } from './read-stretches.js';
import type { CsvScan } from './scan-csv.js';

/**
 * Hands each record behind the header of a clean CSV file to `take`, without its line end, and gives what `take` gives that is
 * not undefined. The bytes are of use during the call only. O(bytes) time, O(longest record) memory.
 */
export async function* readRecords<T>(
  source: ByteSource,
  scan: Pick<CsvScan, 'dialect' | 'hasHeader' | 'multiLine'>,
  take: (buffer: Buffer, start: number, end: number) => T | undefined,
  signal?: AbortSignal,
): AsyncGenerator<T> {
  const { dialect, multiLine } = scan;
  let isHeader = scan.hasHeader;
  let left = 0;
  let started = false;
  for await (const { bytes, isLast: last } of readStretches(source, () => left, signal)) {
    let buffer = bytes;
    if (!started) {
      if (buffer.length < 3 && !last) {
        left = buffer.length;
        continue;
      }
      started = true;
      if (buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf) buffer = buffer.subarray(3);
    }
    let start = 0;
    while (start < buffer.length) {
      const end = recordEnd(buffer, start, dialect, multiLine, last);
      if (end === -1) break;
      const isWithReturn = dialect.lineEnd === 10 && end > start && buffer[end - 1] === 13;
      if (isHeader) isHeader = false;
      else {
        const given = take(buffer, start, isWithReturn ? end - 1 : end);
        if (given !== undefined) yield given;
      }
      start = end + 1;
    }
    left = buffer.length - start;
  }
}

/** The index of the line end that closes the record, or of the file's end; −1 when it is not in the buffer yet. */
function recordEnd(buffer: Buffer, start: number, dialect: CsvDialect, multiLine: boolean, last: boolean): number {
  if (multiLine) return recordAt(buffer, start, dialect, last)?.end ?? -1;
  const end = buffer.indexOf(dialect.lineEnd, start);
  return end === -1 && last ? buffer.length : end;
}

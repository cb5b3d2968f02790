import { emptyFile } from './empty-file.js';
import { collectJsonRows, type JsonScan, type JsonScanOptions } from './json-rows.js';
import type { ByteSource } from './open-bytes.js';
import { readLines } from './read-lines.js';

/**
 * Reads a file of one JSON object a line. Blank lines are no rows; a line that is no object, not UTF-8 or holds what PostgreSQL
 * cannot store is a fault. Throws `ELT_FILE_EMPTY`, `ELT_FILE_ENCODING`, `ELT_FILE_BINARY`, `ELT_GZIP_BROKEN`, `ELT_FILE_MALFORMED`, `ELT_COLUMN_LIMIT`; a retry does not help.
 */
export async function scanNdjson(source: ByteSource, options: JsonScanOptions = {}): Promise<JsonScan> {
  const rows = collectJsonRows(source.file, options.onRow);
  let line = 0;
  const take = (bytes: Buffer): void => rows.take({ bytes, start: 0, end: bytes.length, line: ++line });

  await readLines(source, 'NDJSON', {
    signal: options.signal,
    onLine: take,
    async onChunk() {
      rows.check(options.mayBeEmpty);
      await options.onChunk?.();
    },
  });
  rows.check(options.mayBeEmpty);
  const found = rows.scan();
  if (found.rows === 0 && options.mayBeEmpty !== true)
    throw emptyFile(source.file, 'it is empty; expected one JSON object a line');
  return found;
}

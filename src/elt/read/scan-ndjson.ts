import { TerminalError } from '../../errors.js';
import { assertText } from './inspect-bytes.js';
import { collectJsonRows, type JsonScan, type JsonScanOptions } from './json-rows.js';
import { openBytes, type ByteSource } from './open-bytes.js';

const LINE_END = 10;
const MAX_LINE_BYTES = 64 << 20;

/**
 * Reads a file of one JSON object a line. Blank lines are no rows; a line that is no object, not UTF-8 or holds what PostgreSQL
 * cannot store is a fault. Throws `ELT_FILE_EMPTY`, `ELT_FILE_ENCODING`, `ELT_FILE_BINARY`, `ELT_GZIP_BROKEN`; a retry does not help.
 */
export async function scanNdjson(source: ByteSource, options: JsonScanOptions = {}): Promise<JsonScan> {
  const rows = collectJsonRows(options.onRow);
  let line = 0;
  const take = (bytes: Buffer): void => rows.take(bytes, ++line);

  let rest: Buffer = Buffer.alloc(0);
  let first = true;
  for await (const chunk of openBytes(source, options.signal)) {
    let buffer: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (first) {
      first = false;
      assertText(buffer.subarray(0, 1 << 16), source.file, 'NDJSON');
      if (buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf) buffer = buffer.subarray(3);
    }
    let start = 0;
    for (let end = buffer.indexOf(LINE_END); end !== -1; end = buffer.indexOf(LINE_END, start)) {
      take(buffer.subarray(start, end));
      start = end + 1;
    }
    rest = buffer.subarray(start);
    if (rest.length > MAX_LINE_BYTES) throw longLine(source.file, line + 1);
    await options.onChunk?.();
  }
  if (rest.length > 0) take(rest);
  const found = rows.scan();
  if (found.rows === 0)
    throw new TerminalError(
      'ELT_FILE_EMPTY',
      `Reading ${source.file} failed: it is empty; expected one JSON object a line.`,
      {
        at: { file: source.file },
        next: 'Remove the file from the path or glob, or let its producer finish. The table keeps its former rows.',
      },
    );
  return found;
}

function longLine(file: string, line: number): TerminalError {
  return new TerminalError(
    'ELT_FILE_MALFORMED',
    `Reading ${file} failed: a line is longer than 64 MiB; expected one JSON object a line.`,
    {
      at: { file, line },
      next: 'For one JSON document, set `format: json`; else write one object a line, for example with `jq -c ".[]"`.',
    },
  );
}

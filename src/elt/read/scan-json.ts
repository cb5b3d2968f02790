import { emptyFile } from './empty-file.js';
import { assertText } from './inspect-bytes.js';
import { readJsonDocument } from './json-document.js';
import { collectJsonRows, type JsonScan, type JsonScanOptions } from './json-rows.js';
import { openBytes, type ByteSource } from './open-bytes.js';

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Reads one JSON document whose records are at `path`. A record that is no object, not UTF-8 or holds what PostgreSQL cannot store is a fault.
 * Throws `ELT_JSON_SYNTAX`, `ELT_JSON_RECORDS`, `ELT_FILE_EMPTY`, `ELT_FILE_BINARY`, `ELT_FILE_ENCODING`, `ELT_GZIP_BROKEN`, `ELT_FILE_MALFORMED`, `ELT_COLUMN_LIMIT`; a retry does not help.
 */
export async function scanJson(
  source: ByteSource,
  path: readonly string[],
  options: JsonScanOptions = {},
): Promise<JsonScan> {
  const { take, check, scan } = collectJsonRows(source.file, options.onRow);
  const document = readJsonDocument({ file: source.file, path, onRecord: take });
  let isFirst = true;
  for await (const chunk of openBytes(source, options.signal)) {
    if (isFirst) assertText(chunk.subarray(0, 1 << 16), source.file, 'JSON');
    document.push(isFirst && chunk.subarray(0, 3).equals(BYTE_ORDER_MARK) ? chunk.subarray(3) : chunk);
    isFirst = false;
    check();
    await options.onChunk?.();
  }
  document.end();
  check();
  const found = scan();
  if (found.rows > 0) return found;
  throw emptyFile(source.file, 'its list of records is empty');
}

/** Whether a text whose name does not say is one object a line: its first line is a whole object. */
export async function isJsonLines(source: ByteSource): Promise<boolean> {
  const kept: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of openBytes(source)) {
    kept.push(chunk);
    bytes += chunk.length;
    if (chunk.includes(10) || bytes > 1 << 20) break;
  }
  const [first = ''] = Buffer.concat(kept).toString().replace(/^\ufeff?\s*/, '').split('\n', 1); // prettier-ignore
  if (!first.startsWith('{')) return !first.startsWith('[');
  try {
    JSON.parse(first);
    return true;
  } catch {
    return false;
  }
}
